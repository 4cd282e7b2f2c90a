// Which indices of an axis are drawn, and what the axes are called.

import type { Network } from '../engine/network';
import type { Axis, AxisName } from '../engine/types';

/** At most this many of anything are drawn in full. */
export const MOST = 7;

/** The indices of a list that are drawn. */
export interface Window {
  shown: number[];
  /** How many indices lie between the k-th shown and the one before it. */
  gaps: number[];
  /** Whether members of the list itself are left out before the k-th: an axis that is sampled has gaps without these. */
  breaks: boolean[];
}

/** All of a list, or its beginning, the neighbourhood of one member and its end. */
export function windowOf(list: number[], at: number, most: number = MOST): Window {
  return withGaps(list.length <= most ? list.map((_, k) => k) : chosen(list, at, most), list);
}

/** The same window while it still holds the member: what was clicked must not move away. */
export function steadyWindow(list: number[], at: number, most: number, before: Window | null): Window {
  const holds = before !== null && before.shown.includes(at) && before.shown.every((one) => list.includes(one));
  const fits = before !== null && before.shown.length === Math.min(most, list.length);
  return holds && fits ? before : windowOf(list, at, most);
}

function chosen(list: number[], at: number, most: number): number[] {
  const size = list.length;
  const place = Math.max(0, list.indexOf(at));
  if (most < 3) return [place];
  const inner = most - 2;
  const first = Math.max(1, Math.min(size - 1 - inner, place - Math.floor(inner / 2)));
  return [0, ...Array.from({ length: inner }, (_, k) => first + k), size - 1];
}

function withGaps(places: number[], list: number[]): Window {
  const shown = places.map((place) => list[place] ?? 0);
  const gaps = shown.map((index, k) => (k === 0 ? 0 : index - (shown[k - 1] ?? 0) - 1));
  const breaks = places.map((place, k) => k > 0 && place > (places[k - 1] ?? 0) + 1);
  return { shown, gaps, breaks };
}

/** The first three, an ellipsis and the last, or everything where there are at most seven; always the selected one. */
export function ends(list: number[], at: number | null = null, most: number = MOST): Window {
  if (list.length <= most)
    return withGaps(
      list.map((_, k) => k),
      list,
    );
  const places = [0, 1, 2, list.length - 1];
  const place = at === null ? -1 : list.indexOf(at);
  if (place > 2 && place < list.length - 1) places.splice(3, 0, place);
  return withGaps(places, list);
}

export function axis(name: AxisName, size: number, shown: number[], labels?: string[]): Axis {
  return labels ? { name, size, shown, labels } : { name, size, shown };
}

/** A single cell's width of axis, for vectors. */
export function single(name: AxisName, index = 0): Axis {
  return { name, size: 1, shown: [index] };
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, k) => k);
}

/** The user's name of a step, sample or feature; its index where there is none. */
export function nameOf(network: Network, axisName: 'batch' | 'time' | 'feature', index: number): string {
  return network.names[axisName]?.[index] ?? String(index);
}

/** The sizes of a tensor with their letters, in the layout in use: 'N=4 · T=7 · F=3'. */
export function sizesOf(network: Network, last: string, batchFirst = network.batchFirst): string {
  const { batch, time } = network.sizes;
  const outer = batchFirst ? [`N=${batch}`, `T=${time}`] : [`T=${time}`, `N=${batch}`];
  return [...(network.batched ? outer : [`T=${time}`]), last].join(' · ');
}

/** Valid steps of a sample among those in the page. */
export function validSteps(network: Network, sample: number): number[] {
  return network.shown.time.filter((step) => step < network.lengths(sample));
}
