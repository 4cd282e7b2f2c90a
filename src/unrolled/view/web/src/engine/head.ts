// What follows the recurrent layer: the numbers that it is given, and the dense layers that make the answer of them.

import { dot } from './arithmetic';
import type { Head, HeadLayer, Network } from './network';
import { finalStep, sources } from './places';
import { reading, type Pick, type Reading } from './reading';
import type { ComputedRun } from './run';
import type { Address } from './types';

/** The whole answer of a run, in the order of its own axes; empty where the page does not understand what is read. */
export function readHead(network: Network, run: ComputedRun): Float64Array {
  const read = reading(network, run.length);
  if (!read) return new Float64Array(0);
  const answers = combined(read, (pick) => vector(network, run, pick)).map((given) =>
    chain(network.head!, given).at(-1)!,
  );
  const all = new Float64Array(answers.length * (answers[0]?.length ?? 0));
  answers.forEach((answer, k) => all.set(answer, k * answer.length));
  return all;
}

/** The answer made of one step's output. */
export function headVector(network: Network, run: ComputedRun, step: number): Float64Array {
  return chain(network.head!, vector(network, run, { step })).at(-1)!;
}

/** What the head is given for the numbers of one row of its answer: step by step, one after the other. */
export function givenVector(network: Network, run: ComputedRun, row: number): Float64Array | undefined {
  if (network.head?.feedback) return vector(network, run, { step: run.length - 1 + row });
  const read = reading(network, run.length);
  return read ? combined(read, (pick) => vector(network, run, pick))[row] : undefined;
}

function vector(network: Network, run: ComputedRun, pick: Pick): Float64Array {
  if ('step' in pick) {
    const width = network.inputWidth(network.layers);
    return run.between[network.layers]!.subarray(pick.step * width, (pick.step + 1) * width);
  }
  const { layer, direction } = network.parts[pick.row]!;
  const width = network.stateWidth(layer, pick.state);
  const after = run.length === 0 ? 0 : direction === 'forward' ? run.length : 1;
  return run.rooms[pick.row]!.states[pick.state]!.subarray(after * width, (after + 1) * width);
}

function combined({ combine, picks }: Reading, get: (pick: Pick) => Float64Array): Float64Array[] {
  const vectors = picks.map(get);
  if (combine === 'each') return vectors;
  if (combine === 'join') return [Float64Array.from(vectors.flatMap((one) => [...one]))];
  const [first, ...others] = vectors as [Float64Array, ...Float64Array[]];
  const total = first.slice();
  for (const other of others) {
    for (let j = 0; j < total.length; j++) {
      total[j] = combine === 'max' ? Math.max(total[j]!, other[j]!) : total[j]! + other[j]!;
    }
  }
  return [combine === 'mean' ? total.map((sum) => sum / picks.length) : total];
}

/** Everything from what the head is given to its answer: the input of each of its layers, and the last one's output. */
export function chain(head: Head, given: Float64Array): Float64Array[] {
  const vectors = [given];
  for (const layer of head.layers) vectors.push(apply(layer, vectors.at(-1)!));
  return vectors;
}

export const ELEMENTWISE = {
  ReLU: ['relu', (x: number) => Math.max(0, x)],
  Tanh: ['tanh', Math.tanh],
  Sigmoid: ['sigmoid', (x: number) => 1 / (1 + Math.exp(-x))],
} as const;

function apply(layer: HeadLayer, given: Float64Array): Float64Array {
  if (layer.kind !== 'Linear') return given.map(ELEMENTWISE[layer.kind][1]);
  const [rows, columns] = layer.weight.shape as [number, number];
  const weight = layer.weight.doubles;
  const bias = layer.bias?.data;
  return Float64Array.from({ length: rows }, (_, j) => dot(weight, j * columns, given, 0, columns) + (bias?.[j] ?? 0));
}

/** What the head is given for one row of its answer: column k is the sum of its addresses, times `scale`. */
export interface Given {
  columns: Address[][];
  scale: number;
}

/** null where a column is no sum of a few numbers: of many steps, or the largest of some. */
export function given(network: Network, sample: number, row: number): Given | null {
  const length = network.lengths(sample);
  const addresses = (pick: Pick) => addressesOf(network, sample, pick);
  if (network.head?.feedback) return { columns: addresses({ step: length - 1 + row }), scale: 1 };
  const read = reading(network, length);
  if (!read || read.combine === 'max') return null;
  if (read.combine === 'each') return { columns: addresses(read.picks[row]!), scale: 1 };
  if (read.combine === 'join') return { columns: read.picks.flatMap(addresses), scale: 1 };
  if (read.picks.length > 2) return null;
  const added = read.picks.map(addresses);
  const columns = added[0]!.map((_, column) => added.flatMap((one) => one[column]!));
  return { columns, scale: read.combine === 'mean' ? 1 / read.picks.length : 1 };
}

/** Column by column the numbers of `output` or of a final state; [] at padded steps, where `output` is 0. */
function addressesOf(network: Network, sample: number, pick: Pick): Address[][] {
  const { layers } = network;
  if ('step' in pick) {
    const after = network.head?.feedback?.steps ?? 0;
    const padding = pick.step >= network.lengths(sample) + after;
    const columns = Array.from({ length: network.inputWidth(layers) }, (_, column) => column);
    return columns.map((column) => (padding ? [] : sources(network, layers, sample, pick.step, column)));
  }
  const { layer, direction } = network.parts[pick.row]!;
  const step = finalStep(network, sample, direction);
  const units = Array.from({ length: network.stateWidth(layer, pick.state) }, (_, unit) => unit);
  return units.map((unit) => [{ of: 'state', state: pick.state, sample, layer, direction, step, unit }]);
}
