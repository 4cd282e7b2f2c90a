// What is said beside an analysis: such facts as a completeness gap.

import type { AnalysisDocument } from '../document';

/**
 * The facts of one analysis, each once. It may consist of many parts, one for each gate, layer and direction; where their
 * numbers differ, these are gaps that nothing exceeds, so that the largest holds for all.
 */
export function factsOf(parts: readonly { facts: AnalysisDocument['facts'] }[]): [name: string, value: number | string][] {
  const facts = new Map<string, number | string>();
  for (const [name, value] of parts.flatMap((one) => Object.entries(one.facts))) {
    const before = facts.get(name);
    facts.set(name, typeof before === 'number' && typeof value === 'number' ? Math.max(before, value) : value);
  }
  return [...facts];
}
