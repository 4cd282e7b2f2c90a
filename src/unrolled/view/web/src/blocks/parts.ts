// The blocks that views are built of: inputs, states, gates, outputs, parameters, each with the addresses of its cells.

import type { DirectionName } from '../document';
import type { Network } from '../engine/network';
import { sources } from '../engine/places';
import type { Address, Block } from '../engine/types';
import { axis, single } from './axes';
import { makeBlock, type DrawnBlock } from './scene';

/** One direction of one layer, for one sample. */
export interface Part {
  sample: number;
  layer: number;
  direction: DirectionName;
}

const GATE_ROLES: Record<string, Block['role']> = {
  i: 'gate-i',
  f: 'gate-f',
  g: 'gate-g',
  o: 'gate-o',
  r: 'gate-i',
  z: 'gate-f',
  n: 'gate-g',
  h: 'hidden',
};

export function gateRole(gate: string): Block['role'] {
  return GATE_ROLES[gate.replace(/_pre$/, '')] ?? 'gate-o';
}

export function stateRole(state: string): Block['role'] {
  return state === 'h' ? 'hidden' : 'cell';
}

export function partId({ layer, direction }: Pick<Part, 'layer' | 'direction'>): string {
  return `l${layer}${direction === 'reverse' ? '_reverse' : ''}`;
}

/** x of one sample: features down, time across. */
export function inputBlock(
  network: Network,
  sample: number,
  steps: number[],
  features: number[],
  id = 'x',
): DrawnBlock {
  return makeBlock(network, {
    id,
    role: 'input',
    title: 'x',
    rows: axis('feature', network.sizes.feature, features, network.names.feature),
    columns: axis('time', network.sizes.time, steps, network.names.time),
    at: (feature, step) => (step < network.lengths(sample) ? { of: 'x', sample, step, feature } : null),
    locate: (address) => (address.of === 'x' && address.sample === sample ? [address.feature, address.step] : null),
  });
}

/** x of all samples at one step: features down, samples across. */
export function sliceBlock(network: Network, step: number, samples: number[], features: number[]): DrawnBlock {
  return makeBlock(network, {
    id: 'x at a step',
    role: 'input',
    title: 'x',
    rows: axis('feature', network.sizes.feature, features, network.names.feature),
    columns: axis('batch', network.sizes.batch, samples, network.names.batch),
    at: (feature, sample) => (step < network.lengths(sample) ? { of: 'x', sample, step, feature } : null),
    locate: (address) => (address.of === 'x' && address.step === step ? [address.feature, address.sample] : null),
  });
}

/** A state over time: units down, time across. */
export function stateBlock(network: Network, part: Part, state: string, steps: number[], units: number[]): DrawnBlock {
  return makeBlock(network, {
    id: `${state} ${partId(part)}`,
    role: stateRole(state),
    title: state,
    rows: axis('hidden', network.stateWidth(part.layer, state), units),
    columns: axis('time', network.sizes.time, steps, network.names.time),
    at: (unit, step) => (step < network.lengths(part.sample) ? { of: 'state', state, ...part, step, unit } : null),
    locate: (address) =>
      address.of === 'state' && address.state === state && within(part, address) && address.step !== 'start'
        ? [address.unit, address.step]
        : null,
  });
}

/** A state after one step, or before the first, as a column of units. */
export function stateColumn(
  network: Network,
  part: Part,
  state: string,
  step: number | 'start',
  units: number[],
  id: string,
): DrawnBlock {
  return makeBlock(network, {
    id,
    role: stateRole(state),
    title: state,
    rows: axis('hidden', network.stateWidth(part.layer, state), units),
    columns: single('time'),
    at: (unit) => ({ of: 'state', state, ...part, step, unit }),
    locate: (address) => (address.of === 'state' && address.state === state ? [address.unit, 0] : null),
  });
}

/** A gate over time: units down, time across. */
export function gateBlock(network: Network, part: Part, gate: string, steps: number[], units: number[]): DrawnBlock {
  return makeBlock(network, {
    id: `gate ${gate} ${partId(part)}`,
    role: gateRole(gate),
    title: gate,
    rows: axis('hidden', network.widths(part.layer), units),
    columns: axis('time', network.sizes.time, steps, network.names.time),
    at: (unit, step) => (step < network.lengths(part.sample) ? gateAddress(gate, part, step, unit) : null),
    locate: (address) => locateGate(gate, part, address),
  });
}

function gateAddress(gate: string, part: Part, step: number, unit: number): Address {
  return { of: 'gate', gate, ...part, step, unit };
}

function locateGate(gate: string, part: Part, address: Address): [number, number] | null {
  if (address.of === 'gate' && address.gate === gate && within(part, address)) return [address.unit, address.step];
  const asState = gate === 'h' && address.of === 'state' && address.state === 'h' && within(part, address);
  return asState && address.step !== 'start' ? [address.unit, address.step] : null;
}

/** A gate at one step as a column of units. */
export function gateColumn(network: Network, part: Part, gate: string, step: number, units: number[]): DrawnBlock {
  return makeBlock(network, {
    id: `gate ${gate}`,
    role: gateRole(gate),
    title: gate,
    rows: axis('hidden', network.widths(part.layer), units),
    columns: single('time'),
    at: (unit) => gateAddress(gate, part, step, unit),
    locate: (address) => (locateGate(gate, part, address) ? [(address as { unit: number }).unit, 0] : null),
  });
}

/** What a layer reads at one step, as a row of columns of its weights: an input, or the states of the layer below. */
export function readBlock(network: Network, part: Part, step: number, columns: number[]): DrawnBlock {
  const addresses = new Map(columns.map((k) => [k, sources(network, part.layer, part.sample, step, k)[0] ?? null]));
  return rowOf(network, part.layer === 0 ? 'input' : 'hidden', 'read', 'x', network.inputWidth(part.layer), addresses);
}

/** The state that a step starts from, as a row of columns of weight_hh. */
export function fromBlock(network: Network, part: Part, step: number | 'start', columns: number[]): DrawnBlock {
  const at = (unit: number): Address => ({ of: 'state', state: 'h', ...part, step, unit });
  const addresses = new Map(columns.map((unit) => [unit, at(unit)]));
  return rowOf(network, 'hidden', 'from', 'h', network.outputWidth(part.layer), addresses);
}

/** Any numbers, side by side. */
export function rowOf(
  network: Network,
  role: Block['role'],
  id: string,
  title: string,
  size: number,
  addresses: Map<number, Address | null>,
): DrawnBlock {
  const columns = [...addresses.keys()];
  return makeBlock(network, {
    id,
    role,
    title,
    rows: single('batch'),
    columns: axis('hidden', size, columns),
    at: (_, column) => addresses.get(column) ?? null,
    locate: (address) => {
      const column = columns.find((one) => sameCell(addresses.get(one), address));
      return column === undefined ? null : [0, column];
    },
  });
}

function sameCell(one: Address | null | undefined, other: Address): boolean {
  if (!one || one.of !== other.of) return false;
  return Object.entries(one).every(([name, value]) => String(other[name as keyof Address]) === String(value));
}

/** The rows and columns of a parameter that are drawn; a bias has the column 0. */
export function weightBlock(
  network: Network,
  part: Pick<Part, 'layer' | 'direction'>,
  name: string,
  rows: number[],
  columns: number[],
  id = `${name} ${partId(part)}`,
): DrawnBlock {
  const shape = network.weight(part.layer, part.direction, name)?.shape ?? [0];
  const flat = shape.length === 1;
  const { layer, direction } = part;
  return makeBlock(network, {
    id,
    role: 'weight',
    title: `${name}_${partId(part)}`,
    rows: axis('gate', shape[0] ?? 0, rows),
    columns: flat ? single('feature') : axis('feature', shape[1] ?? 0, columns),
    at: (row, column) => ({ of: 'weight', name, layer, direction, row, column: flat ? null : column }),
    locate: (address) => (address.of === 'weight' && address.name === name ? [address.row, address.column ?? 0] : null),
  });
}

/** The columns of `output` over time: the last layer's h of both directions, one after the other. */
export function outputBlock(network: Network, sample: number, steps: number[], columns: number[]): DrawnBlock {
  const layer = network.layers - 1;
  const width = network.outputWidth(layer);
  const directions = network.directionsOf(layer);
  const at = (column: number, step: number): Address | null => {
    const direction = directions[Math.floor(column / width)] ?? 'forward';
    const padding = step >= network.lengths(sample);
    return padding ? null : { of: 'state', state: 'h', sample, layer, direction, step, unit: column % width };
  };
  return makeBlock(network, {
    id: 'output',
    role: 'hidden',
    title: 'output',
    rows: axis('hidden', width * directions.length, columns),
    columns: axis('time', network.sizes.time, steps, network.names.time),
    at,
    locate: (address) => {
      if (address.of !== 'state' || address.layer !== layer || address.step === 'start') return null;
      return [address.unit + width * Math.max(0, directions.indexOf(address.direction)), address.step];
    },
  });
}

/** The model's answer for a sample, all its numbers in one row. */
export function answerBlock(network: Network, sample: number, indices: number[][]): DrawnBlock {
  const entries = indices.map((index, k): [number, Address] => [k, { of: 'answer', sample, index }]);
  return rowOf(network, 'answer', 'answer', 'answer', indices.length, new Map(entries));
}

function within(part: Part, address: { sample: number; layer: number; direction: string }): boolean {
  return address.sample === part.sample && address.layer === part.layer && address.direction === part.direction;
}
