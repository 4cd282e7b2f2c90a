// The text of a saved picture: plain functions from what was measured on the page to one SVG document.

import type { Selection } from '../engine/types';
import type { Level } from './hash';

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A word as it stands on the page. */
export interface Word extends Box {
  text: string;
}

/** Words side by side become one line: a saved text stays a text and is no heap of words. */
export function lines(words: Word[]): Word[] {
  const joined: Word[] = [];
  for (const word of words) {
    const line = joined.at(-1);
    // Half a line's height tells lines apart, whatever the sizes of the faces in them.
    if (line && Math.abs(line.y - word.y) < word.height / 2 && word.x >= line.x) {
      line.text += ` ${word.text}`;
      line.width = word.x + word.width - line.x;
    } else joined.push({ ...word });
  }
  return joined;
}

/** The file's name says what the picture shows: 'unrolled-unit-sample2-layer0-reverse-step3-unit4-f.svg'. */
export function fileName(level: Level, selection: Selection, kind: 'svg' | 'png'): string {
  const { sample, layer, direction, step, unit, gate } = selection;
  const all: Record<Level, (string | number)[]> = {
    cube: [`sample${sample}`, `step${step}`],
    stack: [`sample${sample}`, `layer${layer}`, direction, `step${step}`],
    step: [`sample${sample}`, `step${step}`, `layer${layer}`, direction],
    unit: [`sample${sample}`, `layer${layer}`, direction, `unit${unit}`],
    sum: [`sample${sample}`, `layer${layer}`, direction, `step${step}`, `unit${unit}`, gate],
  };
  const parts = all[level].filter((part) => part !== 'forward');
  return `unrolled-${level}-${parts.join('-').replace(/[^\w-]+/g, '_')}.${kind}`;
}

export function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

/** An SVG element as text; attributes without a value are left out. */
export function element(name: string, attributes: Record<string, string | number | undefined>, inside = ''): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escape(String(value))}"`);
  return `<${name}${written.join('')}${inside ? `>${inside}</${name}>` : '/>'}`;
}

/** The whole document: its title, its background, then the parts in the order in which they are painted. */
export function picture(
  size: { width: number; height: number },
  title: string,
  paper: string,
  parts: string[],
): string {
  const { width, height } = size;
  const back = element('rect', { width, height, fill: paper });
  return element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${height}` },
    [`<title>${escape(title)}</title>`, back, ...parts].join('\n'),
  );
}
