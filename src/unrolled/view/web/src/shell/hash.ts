// The page's state in its address after '#', so that a view can be linked to and survives a reload.
// Works where storage does not: on file:// addresses and inside a notebook's frame.

import type { DirectionName } from '../document';
import type { Selection } from '../engine/types';

export const LEVELS = ['cube', 'stack', 'step', 'unit', 'sum'] as const;
export type Level = (typeof LEVELS)[number];

export const OVERLAYS = ['saturation', 'memory', 'contributions', 'gradient_flow', 'attribution'] as const;
export type Overlay = (typeof OVERLAYS)[number];

export const LANGUAGES = ['en', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** What a link remembers. */
export interface Remembered {
  network: number;
  level: Level;
  overlay: Overlay | null;
  folded: boolean;
  language: Language;
  theme: Theme;
  selection: Selection;
}

/** `#level=unit&sample=2&…`; what is as on a fresh page is left out, the selection never. */
export function writeHash(state: Remembered): string {
  const { selection, ...rest } = state;
  const parts = new URLSearchParams();
  if (rest.network > 0) parts.set('network', String(rest.network));
  parts.set('level', rest.level);
  for (const [name, value] of Object.entries(selection)) parts.set(name, String(value));
  if (rest.overlay !== null) parts.set('overlay', rest.overlay);
  if (rest.folded) parts.set('folded', '1');
  parts.set('lang', rest.language);
  if (rest.theme !== 'auto') parts.set('theme', rest.theme);
  return `#${parts}`;
}

/** What a hash says; anything it does not say or says wrongly is left out. */
export function readHash(hash: string): Partial<Omit<Remembered, 'selection'>> & { selection: Partial<Selection> } {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  return defined({
    network: whole(parts.get('network')),
    level: among(LEVELS, parts.get('level')),
    overlay: among(OVERLAYS, parts.get('overlay')),
    folded: parts.has('folded') ? parts.get('folded') === '1' : undefined,
    language: among(LANGUAGES, parts.get('lang')),
    theme: among(THEMES, parts.get('theme')),
    selection: readSelection(parts),
  });
}

function readSelection(parts: URLSearchParams): Partial<Selection> {
  return defined({
    sample: whole(parts.get('sample')),
    layer: whole(parts.get('layer')),
    direction: among(['forward', 'reverse'] satisfies DirectionName[], parts.get('direction')),
    step: whole(parts.get('step')),
    unit: whole(parts.get('unit')),
    gate: parts.get('gate') ?? undefined,
  });
}

function whole(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function among<T extends string>(list: readonly T[], text: string | null): T | undefined {
  return list.find((one) => one === text);
}

/** Leaves out what is undefined. */
type Defined<T> = { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> } & {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
};
function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
