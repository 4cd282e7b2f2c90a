// A picture as data: blocks of cells with places, words and links, in pixels. Pure: pictures are tested without a browser.

import type { Network } from '../engine/network';
import { canonical, key } from '../engine/places';
import type { Address, Axis, Block } from '../engine/types';
import type { Scale } from '../draw/colours';
import { LETTER, SMALL, textWidth } from '../draw/words';

/** A block that also knows where in it a number stands. */
export interface DrawnBlock extends Block {
  find(address: Address): [row: number, column: number] | null;
}

/** A block on the paper: left edges of its columns, top edges of its rows, the size of a cell. */
export interface Placed {
  block: DrawnBlock;
  xs: number[];
  ys: number[];
  cell: [width: number, height: number];
  scale: Scale;
  shape: 'cells' | 'state' | 'weight';
  /** Whether a cell belongs to the selection; the others fade. Absent: all do. */
  alive?: (row: number, column: number) => boolean;
  /** What is drawn of a cell instead of the number itself, such as its product. */
  value?: (address: Address) => number | undefined;
}

/** A text; `base_{below}` sets a subscript. */
export interface Word {
  id: string;
  text: string;
  x: number;
  y: number;
  anchor?: 'start' | 'middle' | 'end';
  look?: 'plain' | 'quiet' | 'code' | 'strong' | 'math';
  /** The colour of a role instead of ink. */
  role?: string;
}

/** An arrow, a dashed tether or a plain line through points. */
export interface Link {
  id: string;
  kind: 'arrow' | 'tether' | 'line';
  points: [number, number][];
  role?: string;
  faded?: boolean;
}

/** A frame behind blocks, a gate's circle, an operation's square, or a hatched stretch of padding. */
export interface Shape {
  id: string;
  kind: 'frame' | 'circle' | 'square' | 'hatch' | 'plate' | 'cursor';
  x: number;
  y: number;
  width: number;
  height: number;
  letter?: string;
  role?: string;
  faded?: boolean;
}

/** Whether a shape stands on top of the arrows: a gate's letter, an operation. */
export function isMark({ kind }: Shape): boolean {
  return kind === 'circle' || kind === 'square';
}

export interface Scene {
  width: number;
  height: number;
  placed: Placed[];
  words: Word[];
  links: Link[];
  shapes: Shape[];
}

export interface Box {
  id: string;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export function emptyScene(width: number): Scene {
  return { width, height: 0, placed: [], words: [], links: [], shapes: [] };
}

/** What a block is made of; `locate` proposes the cell in which an address might stand. */
export interface BlockParts {
  id: string;
  role: Block['role'];
  title: string;
  rows: Axis;
  columns: Axis;
  at: Block['at'];
  locate: (address: Address) => [number, number] | null;
}

/** A block whose `find` is checked against its `at`, so that the two cannot disagree. */
export function makeBlock(network: Network, parts: BlockParts): DrawnBlock {
  const rows = new Set(parts.rows.shown);
  const columns = new Set(parts.columns.shown);
  return {
    ...parts,
    find(address) {
      const wanted = canonical(network, address);
      const cell = parts.locate(wanted);
      if (!cell || !rows.has(cell[0]) || !columns.has(cell[1])) return null;
      const there = parts.at(...cell);
      return there && key(canonical(network, there)) === key(wanted) ? cell : null;
    },
  };
}

/** Evenly set edges: `count` cells of a size from `start` on. */
export function edges(start: number, count: number, pitch: number): number[] {
  return Array.from({ length: count }, (_, k) => start + k * pitch);
}

/** The boxes that a placed block covers: one for each run of touching cells. */
export function placedBoxes(placed: Placed): Box[] {
  const across = runs(placed.xs, placed.cell[0]);
  const down = runs(placed.ys, placed.cell[1]);
  return across.flatMap(([left, right], a) =>
    down.map(([top, bottom], d) => ({ id: `${placed.block.id}#${a},${d}`, left, right, top, bottom })),
  );
}

function runs(starts: number[], size: number): [number, number][] {
  const found: [number, number][] = [];
  for (const start of starts) {
    const last = found.at(-1);
    if (last && start <= last[1] + 2.5) last[1] = start + size;
    else found.push([start, start + size]);
  }
  return found;
}

/** The box of a word, as wide as it is estimated to be. */
export function wordBox(word: Word): Box {
  const size = word.look === 'math' ? LETTER : SMALL;
  const width = textWidth(plainText(word.text), size, word.look === 'code');
  const left = word.anchor === 'middle' ? word.x - width / 2 : word.anchor === 'end' ? word.x - width : word.x;
  return { id: word.id, left, right: left + width, top: word.y - size * 0.8, bottom: word.y + size * 0.25 };
}

/** The text without the marks of its subscripts. */
function plainText(text: string): string {
  return text.replace(/_\{([^}]*)\}/g, '$1');
}

/** All boxes of a scene that must not touch each other. */
export function sceneBoxes(scene: Scene): Box[] {
  const marks = scene.shapes.filter(isMark);
  return [
    ...scene.placed.flatMap(placedBoxes),
    ...scene.words.map(wordBox),
    ...marks.map(({ id, x, y, width, height }) => ({ id, left: x, top: y, right: x + width, bottom: y + height })),
  ];
}

/** The pairs of boxes that overlap by more than half a pixel. */
export function overlaps(boxes: Box[]): [Box, Box][] {
  const sorted = [...boxes].sort((a, b) => a.left - b.left);
  const found: [Box, Box][] = [];
  sorted.forEach((one, k) => {
    for (const other of sorted.slice(k + 1)) {
      if (other.left > one.right - 0.5) break;
      if (other.top < one.bottom - 0.5 && one.top < other.bottom - 0.5) found.push([one, other]);
    }
  });
  return found;
}

/** The cell under a point, as indices into `xs` and `ys`. */
export function cellAt(placed: Placed, x: number, y: number): [row: number, column: number] | null {
  const column = indexAt(placed.xs, placed.cell[0], x);
  const row = indexAt(placed.ys, placed.cell[1], y);
  return row === null || column === null ? null : [row, column];
}

function indexAt(starts: number[], size: number, place: number): number | null {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (starts[middle]! <= place) low = middle;
    else high = middle - 1;
  }
  const start = starts[low];
  return start !== undefined && place >= start - 0.5 && place <= start + size + 2.5 ? low : null;
}
