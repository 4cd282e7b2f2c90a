// Made at build time by the plugin in formulas.plugin.ts.

declare module 'virtual:formulas' {
  /** MathML of each equation in formulas.ts, by its key. */
  const formulas: Record<string, string>;
  export default formulas;
}
