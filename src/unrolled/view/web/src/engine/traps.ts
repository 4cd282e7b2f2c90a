// Four mistakes that raise no error, each on the user's own batch: the wrong code, the right code, and what both give.

import type { Key, Values } from '../text';
import type { Network } from './network';
import { finalStep, moduleCode, sources } from './places';
import { computeWithLength, cost, ComputedRun } from './run';
import type { Address, Edits, Run } from './types';

export type TrapName = 'last_step' | 'backward_half' | 'reshape' | 'no_lengths';

export interface Trap {
  name: TrapName;
  /** The sample that it is shown on: the run's, or another one on which it tells. */
  sample: number;
  wrongCode: string;
  rightCode: string;
  /** What both give for that sample, number by number; of a large model the numbers that the page holds. */
  wrong: number[];
  right: number[];
  applies: boolean;
  /** Why it does not apply to this batch, as a key of the text tables; null when it does. */
  why: Key | null;
  values: Values;
  /** The numbers that the wrong code or the right code reads. */
  addresses: Address[];
}

/** Multiplications that the page does at once without being asked for them. */
const LIGHT = 1e8;

/** What the wrong code and the right code read, number by number; the wrong one a sum, which in padding is empty. */
type Pair = [wrong: Address[], right: Address];

export function traps(network: Network, run: Run): Trap[] {
  return [lastStep(network, run), backwardHalf(network, run), reshape(network, run), noLengths(network, run)];
}

/** `output[:, -1]` of a padded row is padding. */
function lastStep(network: Network, run: Run): Trap {
  const sample = shortSample(network, run);
  const both = network.directions.length > 1;
  const half = both ? `, :${network.outputWidth(network.layers - 1)}` : '';
  const wrongCode = `output[${lastIndex(network, false)}${half}]`.replace(', :]', ']');
  const texts = { name: 'last_step', wrongCode, rightCode: finalCode(network, both ? -2 : -1) } as const;
  if (sample === null) return none(network, run, texts, noPadding(network));
  const pairs = finals(network, sample, 'forward').map((right): Pair => [[], right]);
  return shown(network, run, texts, sample, pairs);
}

/** The backward half of `output[:, -1]` has read one step only; its final state stands at step 0. */
function backwardHalf(network: Network, run: Run): Trap {
  const layer = network.layers - 1;
  const width = network.outputWidth(layer);
  const length = network.lengths(run.sample);
  const texts = {
    name: 'backward_half',
    wrongCode: `output[${lastIndex(network, length < network.sizes.time)}, ${width}:]`,
    rightCode: finalCode(network, -1),
  } as const;
  if (network.directions.length === 1) return none(network, run, texts, 'trap.backward_half.not.one');
  if (length < 2) return none(network, run, texts, 'trap.backward_half.not.short');
  const read = (column: number) => sources(network, network.layers, run.sample, length - 1, column);
  const pairs = finals(network, run.sample, 'reverse').map((right): Pair => [read(width + right.unit), right]);
  return shown(network, run, texts, run.sample, pairs);
}

/** The index of a sample's last step; of ragged batches that of the last valid one. */
function lastIndex(network: Network, ragged: boolean): string {
  if (!network.batched) return '-1';
  if (!ragged) return network.batchFirst ? ':, -1' : '-1, :';
  const pair = ['torch.arange(N)', 'lengths - 1'];
  return (network.batchFirst ? pair : pair.reverse()).join(', ');
}

/** `h_n.view(N, -1)` mixes samples: h_n has the layers in front. */
function reshape(network: Network, run: Run): Trap {
  const { batch } = network.sizes;
  const texts = {
    name: 'reshape',
    wrongCode: `h_n.reshape(${batch}, -1)`,
    rightCode: `h_n.transpose(0, 1).reshape(${batch}, -1)`,
  } as const;
  const whyNot = notReshaped(network);
  if (whyNot) return none(network, run, texts, whyNot);
  const rows = network.parts.length;
  const width = network.outputWidth(0);
  const at = (row: number, sample: number, unit: number): Address => {
    const { layer, direction } = network.parts[row]!;
    return { of: 'state', state: 'h', sample, layer, direction, step: finalStep(network, sample, direction), unit };
  };
  const pairs = Array.from({ length: rows * width }, (_, k): Pair => {
    const flat = run.sample * rows * width + k;
    const wrong = at(Math.floor(flat / (batch * width)), Math.floor(flat / width) % batch, flat % width);
    return [[wrong], at(Math.floor(k / width), run.sample, k % width)];
  });
  return shown(network, run, texts, run.sample, pairs);
}

function notReshaped(network: Network): Key | null {
  if (!network.batched || network.sizes.batch === 1) return 'trap.reshape.not.one';
  if (network.perLayer || network.kind === 'Stack') return 'trap.reshape.not.tuple';
  return network.parts.length === 1 ? 'trap.reshape.not.row' : null;
}

/** Without lengths padding is read as data: what the last layer would then end with. */
function noLengths(network: Network, run: Run): Trap {
  const sample = shortSample(network, run);
  const states = network.states.includes('c') ? '(h_n, _)' : 'h_n';
  const module = moduleCode(network.name);
  const first = network.batchFirst ? 'batch_first=True, ' : '';
  const packed = `pack_padded_sequence(x, lengths, ${first}enforce_sorted=False)`;
  const ours = !network.source.startsWith('torch.');
  const code = (call: string) => `_, ${states} = ${module}(${call}); ${finalCode(network, -1)}`;
  const texts = {
    name: 'no_lengths',
    wrongCode: code('x'),
    rightCode: code(ours ? 'x, lengths=lengths' : packed),
  } as const;
  if (sample === null) return none(network, run, texts, noPadding(network));
  if (network.computes !== null) return none(network, run, texts, 'trap.no_lengths.not.computed');
  if (cost(network) > LIGHT) return none(network, run, texts, 'trap.no_lengths.not.large');
  return asIfWhole(network, run, texts, sample);
}

function asIfWhole(network: Network, run: Run, texts: Texts, sample: number): Trap {
  const edits = run instanceof ComputedRun ? run.edits : NOTHING;
  const direction = network.directions.at(-1)!;
  const whole = computeWithLength(network, sample, edits, network.sizes.time);
  const right = finals(network, sample, direction);
  const trap = shown(
    network,
    run,
    texts,
    sample,
    right.map((one): Pair => [[], one]),
  );
  const end = direction === 'reverse' ? 0 : network.sizes.time - 1;
  const known = right.filter((one) => valueOf(network, run, one) !== undefined);
  return { ...trap, wrong: known.map((one) => whole.value({ ...one, step: end })!) };
}

const NOTHING: Edits = { values: new Map(), clamps: [] };

type Texts = Pick<Trap, 'name' | 'wrongCode' | 'rightCode'>;

function shown(network: Network, run: Run, texts: Texts, sample: number, pairs: Pair[]): Trap {
  const value = (address: Address) => valueOf(network, run, address) ?? NaN;
  const total = (addresses: Address[]) => addresses.reduce((sum, address) => sum + value(address), 0);
  const all = pairs.map(([wrong, right]) => ({ wrong: total(wrong), right: value(right) }));
  const read = all.filter(({ wrong, right }) => !Number.isNaN(wrong + right));
  return {
    ...texts,
    sample,
    wrong: read.map((one) => one.wrong),
    right: read.map((one) => one.right),
    applies: true,
    why: null,
    values: valuesOf(network, sample),
    addresses: pairs.flat(2),
  };
}

function none(network: Network, run: Run, texts: Texts, why: Key): Trap {
  const { sample } = run;
  return {
    ...texts,
    sample,
    wrong: [],
    right: [],
    applies: false,
    why,
    values: valuesOf(network, sample),
    addresses: [],
  };
}

/** What the texts may speak of. */
function valuesOf(network: Network, sample: number): Values {
  const name = network.names.batch?.[sample];
  const { batch, time } = network.sizes;
  return { sample: name ?? sample, length: network.lengths(sample), time, batch, rows: network.parts.length };
}

/** Other samples than the run's are as Python recorded them. */
function valueOf(network: Network, run: Run, address: Address): number | undefined {
  const sample = address.of === 'weight' ? run.sample : address.sample;
  return (sample === run.sample ? run : network.stored(sample)).value(address);
}

/** The run's sample where it is padded, or else the first padded one that the page holds. */
function shortSample(network: Network, run: Run): number | null {
  const short = (sample: number) => network.lengths(sample) < network.sizes.time;
  return short(run.sample) ? run.sample : (network.shown.batch.find(short) ?? null);
}

function noPadding(network: Network): Key {
  return network.batched ? 'trap.not.padded' : 'trap.not.batch';
}

/** The final h of one direction of the last layer, unit by unit. */
function finals(network: Network, sample: number, direction: 'forward' | 'reverse') {
  const layer = network.layers - 1;
  const step = finalStep(network, sample, direction);
  const units = Array.from({ length: network.outputWidth(layer) }, (_, unit) => unit);
  return units.map((unit) => ({ of: 'state' as const, state: 'h', sample, layer, direction, step, unit }));
}

/** A row of h_n, counted from the end: −1 is the last layer's only direction, or its backward one. */
function finalCode(network: Network, row: -1 | -2): string {
  return network.perLayer ? `h_n[-1][${row}]` : `h_n[${row}]`;
}
