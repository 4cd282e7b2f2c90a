// The guided tour as data: twelve looks at the shipped model, each fitted to the model it runs on.

import type { Network } from '../engine/network';
import { finalStep } from '../engine/places';
import type { Address, Selection } from '../engine/types';
import type { Level } from './hash';

/** A state of the page that a step of the tour shows. */
export interface Look {
  network: number;
  level: Level;
  selection: Selection;
  folded: boolean;
  pinned: Address | null;
  edit: { address: Address; value: number } | null;
}

export const TOUR = [
  'cube',
  'slice',
  'loop',
  'unfold',
  'carry',
  'step',
  'unit',
  'sum',
  'layers',
  'finals',
  'directions',
  'edit',
] as const;
export type TourStep = (typeof TOUR)[number];

/** The step's look at the tour's networks. */
export function look(step: TourStep, networks: Network[]): Look {
  const index = Math.max(0, networks.findIndex(NEEDS[step] ?? (() => true)));
  const network = networks[index]!;
  const there = { network: index, level: 'stack' as Level, folded: false, pinned: null, edit: null };
  return { ...there, selection: middle(network), ...LOOKS[step](network) };
}

/** Numbers that a step's texts speak of. */
export function facts({ selection, network }: Look, networks: Network[]): Record<string, number> {
  const { sizes, lengths } = { sizes: networks[network]!.sizes, lengths: networks[network]!.lengths(selection.sample) };
  return { T: sizes.time, last: lengths - 1 };
}

/** What a network must have for a step; the first that has it is shown. */
const NEEDS: Partial<Record<TourStep, (network: Network) => boolean>> = {
  layers: (network) => network.layers > 1,
  directions: (network) => network.directions.length > 1,
  finals: (network) => network.directions.length === 1 && shortest(network) < network.sizes.time,
  edit: (network) => network.computes === null && network.head !== null,
};

const LOOKS: Record<TourStep, (network: Network) => Partial<Look>> = {
  cube: () => ({ level: 'cube' }),
  slice: (network) => ({ level: 'cube', pinned: input(middle(network)) }),
  loop: () => ({ folded: true }),
  unfold: () => ({}),
  carry: (network) => pin({ ...middle(network), gate: network.states.includes('c') ? 'c' : 'h' }),
  step: () => ({ level: 'step' }),
  unit: () => ({ level: 'unit' }),
  sum: (network) => {
    const selection = middle(network);
    return { level: 'sum', selection, pinned: { of: 'gate', ...selection } };
  },
  layers: (network) => pin({ ...middle(network), layer: network.layers - 1, gate: 'h' }),
  finals: (network) => pin({ ...final(network, shortSample(network), 'forward') }),
  directions: (network) => pin({ ...final(network, middle(network).sample, 'reverse') }),
  edit: (network) => {
    const selection = middle(network);
    const address = input(selection);
    const value = network.stored(selection.sample).value(address) ?? 0;
    return { selection, pinned: address, edit: { address, value: Math.round(10 * (value + 2)) / 10 } };
  },
};

function pin(selection: Selection): Partial<Look> {
  const { gate, sample, layer, direction, step, unit } = selection;
  return { selection, pinned: { of: 'state', state: gate, sample, layer, direction, step, unit } };
}

function input({ sample, step }: Selection): Address {
  return { of: 'x', sample, step, feature: 0 };
}

/** The middle of the longest sample, in the first layer. */
function middle(network: Network): Selection {
  const sample = network.shown.batch.reduce((a, b) => (network.lengths(b) > network.lengths(a) ? b : a));
  const step = Math.floor((network.lengths(sample) - 1) / 2);
  const gate = network.gates.includes('f') ? 'f' : network.gates[0]!;
  return { sample, layer: 0, direction: 'forward', step, unit: 1 % network.widths(0), gate };
}

function final(network: Network, sample: number, direction: Selection['direction']): Selection {
  const step = finalStep(network, sample, direction);
  const layer = network.layers - 1;
  return { sample, layer, direction, step: step === 'start' ? 0 : step, unit: 0, gate: 'h' };
}

function shortSample(network: Network): number {
  return network.shown.batch.find((sample) => network.lengths(sample) === shortest(network))!;
}

/** The fewest steps that a sample with any has. */
function shortest(network: Network): number {
  return Math.min(...network.shown.batch.map((sample) => network.lengths(sample)).filter((length) => length > 0));
}
