// One number as its sum: the terms by size, each a product with its factors, a bar and the total so far; then the nonlinearity.

import type { Network } from '../engine/network';
import type { Address, Sum, Term } from '../engine/types';
import { roundUp, type Scale } from '../draw/colours';
import { fitText } from '../draw/words';
import { answerScale, gateScale, inputScale, stateScale, weightScale } from './scales';

export interface SumView {
  network: Network;
  sum: Sum;
  width: number;
  expanded: boolean;
}

/** A number of a product, as a cell that can be hovered and pinned. */
export interface Factor {
  address: Address | null;
  value: number;
  x: number;
  y: number;
  scale: Scale;
}

export interface Line {
  id: string;
  label: string;
  term: Term | null;
  y: number;
  labelY: number;
  factors: Factor[];
  /** Between the factors, and after the last. */
  signs: { text: string; x: number }[];
  bar: { x: number; y: number; width: number; height: number };
  product: number;
  running: number;
}

export interface SumPicture {
  width: number;
  height: number;
  lines: Line[];
  /** Terms that share the last line. */
  hidden: number;
  zero: number;
  top: number;
  bottom: number;
  productX: number;
  runningX: number;
  labelX: number;
  factorX: number;
  limit: number;
}

export const FACTOR: [number, number] = [60, 20];
export const MOST = 12;
const SIGN = 18;

/** The largest products first. */
export function bySize(terms: Term[]): Term[] {
  return [...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
}

export function sumPicture({ network, sum, width, expanded }: SumView): SumPicture {
  const sorted = bySize(sum.terms);
  const shown = expanded || sorted.length <= MOST + 1 ? sorted : sorted.slice(0, MOST);
  const rest = sorted.slice(shown.length);
  const wide = width >= 760;
  const pitch = wide ? 27 : 50;
  const most = Math.max(1, ...sum.terms.map((term) => factorsOf(term).length));
  const factors = most * FACTOR[0] + (most - 1) * SIGN;
  const numbers = width >= 560 ? 150 : 74;
  const labelRoom = wide ? Math.min(350, width - factors - numbers - 190) : width - numbers;
  const factorX = wide ? labelRoom + 10 : 0;
  const barLeft = factorX + factors + 28;
  const barRoom = Math.max(40, width - numbers - barLeft - 8);
  const limit = Math.max(1e-12, ...shown.map((term) => Math.abs(term.product)), Math.abs(total(rest)));
  const zero = barLeft + barRoom / 2;
  const top = 26;
  const picture: SumPicture = {
    width,
    lines: [],
    hidden: rest.length,
    zero,
    top,
    bottom: 0,
    height: 0,
    limit,
    productX: width >= 560 ? width - 78 : width - 2,
    runningX: width - 2,
    labelX: 0,
    factorX,
  };
  let running = 0;
  [...shown, ...(rest.length > 0 ? [null] : [])].forEach((term, k) => {
    const product = term ? term.product : total(rest);
    running += product;
    const y = top + k * pitch;
    const rowY = wide ? y : y + 22;
    const length = (Math.abs(product) / limit) * (barRoom / 2);
    picture.lines.push({
      id: term ? `${k} ${term.label}` : 'rest',
      label: term ? fitText(term.label, labelRoom, 12, true) : '',
      term,
      y: rowY,
      labelY: y + 15,
      product,
      running,
      ...factorCells(network, term, factorX, rowY),
      bar: { x: product < 0 ? zero - length : zero, y: rowY + 3, width: length, height: 14 },
    });
  });
  picture.bottom = top + picture.lines.length * pitch;
  picture.height = picture.bottom + 4;
  return picture;
}

function total(terms: Term[]): number {
  return terms.reduce((sum, term) => sum + term.product, 0);
}

/** What is multiplied: the left and the right number, and where there is one the third. */
function factorsOf(term: Term): { address: Address | null; value: number }[] {
  const pair = [{ address: term.left, value: term.leftValue }];
  if (term.right) pair.push({ address: term.right, value: term.rightValue });
  if (term.factor) pair.push({ address: term.factor.address, value: term.factor.value });
  return pair;
}

function factorCells(network: Network, term: Term | null, left: number, y: number): Pick<Line, 'factors' | 'signs'> {
  if (!term) return { factors: [], signs: [] };
  const factors = factorsOf(term).map(({ address, value }, k): Factor => {
    return { address, value, x: left + k * (FACTOR[0] + SIGN), y, scale: scaleOf(network, address) };
  });
  const signs = factors.slice(1).map((factor) => ({ text: '×', x: factor.x - SIGN / 2 }));
  return { factors, signs };
}

/** The colours in which a number is drawn elsewhere. */
export function scaleOf(network: Network, address: Address | null): Scale {
  if (address?.of === 'x') return inputScale(network);
  if (address?.of === 'gate') return gateScale(network, address.gate);
  if (address?.of === 'state') return stateScale(network, address.state);
  if (address?.of === 'answer') return answerScale(network);
  return weightScale(network);
}

/** The nonlinearity as a small curve with the sum's point on it. */
export interface Bend {
  curve: [number, number][];
  point: [number, number];
  /** Where the axes cross, in pixels. */
  origin: [number, number];
  range: { x: number; low: number; high: number };
  width: number;
  height: number;
}

const FUNCTIONS: Record<string, (x: number) => number> = {
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  relu: (x) => Math.max(0, x),
};

/** null for a function that the picture has no curve of, such as the identity. */
export function bendOf(sum: Sum, width: number): Bend | null {
  const f = FUNCTIONS[sum.nonlinearity];
  if (!f) return null;
  const height = 130;
  const reach = Math.max(sum.nonlinearity === 'relu' ? 1 : 4, roundUp(Math.abs(sum.total)));
  const [low, high] = sum.nonlinearity === 'relu' ? [0, reach] : [sum.nonlinearity === 'tanh' ? -1 : 0, 1];
  const place = (x: number, y: number): [number, number] => [
    ((x + reach) / (2 * reach)) * width,
    height - ((y - low) / (high - low)) * height,
  ];
  const xs = Array.from({ length: 81 }, (_, k) => -reach + (k * reach) / 40);
  const bound = sum.bound ?? Infinity;
  const at = Math.max(-bound, Math.min(bound, sum.total));
  return {
    curve: xs.map((x) => place(x, f(x))),
    point: place(at, sum.set ? Math.max(low, Math.min(high, sum.value)) : f(at)),
    origin: place(0, 0),
    range: { x: reach, low, high },
    width,
    height,
  };
}
