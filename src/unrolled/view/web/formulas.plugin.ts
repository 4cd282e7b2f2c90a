// A Vite plugin: the equations as MathML, made at build time, so that the page carries no TeX reader.

import temml from 'temml';
import type { Plugin } from 'vite';
import { formulas } from './src/formulas.ts';

const NAME = 'virtual:formulas';

export function formulasPlugin(): Plugin {
  return {
    name: 'formulas',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : null),
    load: (id) => (id === `\0${NAME}` ? `export default ${JSON.stringify(rendered())};` : null),
  };
}

function rendered(): Record<string, string> {
  return Object.fromEntries(Object.entries(formulas).map(([key, tex]) => [key, mathml(tex)]));
}

/** MathML with a plain reading for those who can't see it; without what only temml's own style sheets need. */
function mathml(tex: string): string {
  const made = temml.renderToString(tex, { throwOnError: true });
  const bare = made.replaceAll(/ (?:class|style)="[^"]*"/g, '').replaceAll(/<mspace[^>]*><\/mspace>/g, '');
  return bare.replace('<math', `<math alttext="${inWords(tex)}"`);
}

const SIGNS: Record<string, string> = { sigma: 'σ', odot: '⊙', gamma: 'γ', operatorname: '' };

/** 'f_t = σ(W_if x_t + …)'. */
function inWords(tex: string): string {
  return tex.replaceAll(/\\([a-z]+)/g, (_, name: string) => SIGNS[name] ?? name).replaceAll(/[{}]/g, '');
}
