// The model's answer of one sample, before and after the user's changes, as a list to draw and to read.

import type { Network } from '../engine/network';
import { answerIndex } from '../engine/places';
import type { Address, Run } from '../engine/types';

export interface AnswerNumber {
  label: string;
  address: Address;
  before: number;
  now: number;
}

/** All numbers of a sample's answer, in the user's own units; [] where the page knows no head. */
export function answerOf(network: Network, sample: number, stored: Run, run: Run): AnswerNumber[] {
  const count = network.head?.output.shape.slice(1).reduce((product, size) => product * size, 1) ?? 0;
  const numbers = Array.from({ length: count }, (_, flat): AnswerNumber | null => {
    const address: Address = { of: 'answer', sample, index: answerIndex(network, flat) };
    const before = stored.value(address);
    const now = run.value(address);
    if (before === undefined || now === undefined) return null;
    const label = network.head?.labels[flat] ?? `[${address.index.join(', ')}]`;
    return { label, address, before: network.unscaled(sample, before), now: network.unscaled(sample, now) };
  });
  return numbers.filter((one) => one !== null);
}

/** How far a number moved; what is no more than the last bits of adding up in another order counts as nothing. */
export function changeOf({ before, now }: AnswerNumber): number {
  const change = now - before;
  return Math.abs(change) > 1e-12 * Math.max(1, Math.abs(before)) ? change : 0;
}

/** The number that changed most; undefined when nothing changed. */
export function largestChange(numbers: AnswerNumber[]): AnswerNumber | undefined {
  const size = (one: AnswerNumber) => Math.abs(changeOf(one));
  const most = numbers.reduce<AnswerNumber | undefined>((a, b) => (a && size(a) >= size(b) ? a : b), undefined);
  return most && size(most) > 0 ? most : undefined;
}

/** How many lines a series of answers is: one for each number that is given at every step. */
export function linesOf(network: Network): number {
  const sizes = network.head?.output.shape.slice(1) ?? [];
  return sizes.length > 1 ? sizes.at(-1)! : 1;
}

/** Those of some labels, each at its height, that do not touch one another. */
export function apart<T extends { y: number }>(labels: T[], distance: number): T[] {
  const kept: T[] = [];
  for (const label of labels) if (kept.every((one) => Math.abs(one.y - label.y) >= distance)) kept.push(label);
  return kept;
}

/** The range of all numbers, before and now, never empty. */
export function rangeOf(numbers: AnswerNumber[]): [number, number] {
  const all = numbers.flatMap((one) => [one.before, one.now]);
  const low = Math.min(...all);
  const high = Math.max(...all);
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/** Round numbers across a range, the one below it and the one above it included; about `count` of them. */
export function ticks([low, high]: [number, number], count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((one) => one * power >= rough) ?? 10);
  const [first, last] = [Math.floor(low / step), Math.ceil(high / step)];
  // Multiples of the step, written without the error of adding it up.
  return Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * step).toPrecision(12)));
}

/** A function from numbers to pixels. */
export function scale([low, high]: [number, number], [from, to]: [number, number]): (value: number) => number {
  return (value) => from + ((value - low) / (high - low)) * (to - from);
}
