// Which number is which: one key for each, the address it is known by, and where it stands in the user's own tensors.

import type { NamedArray } from '../decode';
import type { DirectionName } from '../document';
import type { Network } from './network';
import type { Address, Place } from './types';

type X = Extract<Address, { of: 'x' }>;
type State = Extract<Address, { of: 'state' }>;
type Weight = Extract<Address, { of: 'weight' }>;

/** The layer of a head's parameters, which belong to no recurrent layer. */
export const HEAD = -1;

/** Two canonical addresses are of the same number exactly when their keys are equal. */
export function key(address: Address): string {
  switch (address.of) {
    case 'x':
      return `x ${address.sample} ${address.step} ${address.feature}`;
    case 'gate':
      return `gate ${address.gate} ${inPart(address)} ${address.sample} ${address.step} ${address.unit}`;
    case 'state':
      return `state ${address.state} ${inPart(address)} ${address.sample} ${address.step} ${address.unit}`;
    case 'weight':
      return `weight ${address.name} ${inPart(address)} ${address.row} ${address.column ?? '-'}`;
    case 'answer':
      return `answer ${address.sample} ${address.index.join(' ')}`;
  }
}

function inPart({ layer, direction }: { layer: number; direction: DirectionName }): string {
  return `${layer} ${direction}`;
}

/** The address that a number is known by, where several lead to it. */
export function canonical(network: Network, address: Address): Address {
  if (address.of === 'gate' && address.gate === 'h') return canonical(network, stateOfGate(address));
  if (address.of === 'state') return atStart(network, address) ? { ...address, step: 'start' } : address;
  return address.of === 'x' ? (fedBack(network, address) ?? address) : address;
}

/** An RNN's only gate is its state. */
function stateOfGate({ sample, layer, direction, step, unit }: Extract<Address, { of: 'gate' }>): State {
  return { of: 'state', state: 'h', sample, layer, direction, step, unit };
}

/** One step before the first that a direction reads lies its initial state. */
function atStart(network: Network, { direction, step, sample }: State): boolean {
  return step === -1 || (direction === 'reverse' && step === network.lengths(sample));
}

/** A forecaster's inputs after the window are its own forecasts. */
function fedBack(network: Network, { sample, step, feature }: X): Address | null {
  const feedback = network.head?.feedback;
  const after = step - network.lengths(sample);
  if (!feedback || feature !== 0 || after < 0 || after >= feedback.steps - 1) return null;
  return { of: 'answer', sample, index: answerIndex(network, after * answersPerStep(network) + feedback.output) };
}

/** The sizes of a sample's answer; Python may have left out steps of one that has an answer for each. */
export function answerSizes(network: Network): number[] {
  const { axes = [], shape = [] } = network.head?.output ?? {};
  return shape.map((size, axis) => (axes[axis] === 'time' ? network.sizes.time : size)).slice(1);
}

/** How many numbers a forecaster that feeds back gives at each step. */
export function answersPerStep(network: Network): number {
  const numbers = answerSizes(network).reduce((product, size) => product * size, 1);
  return numbers / (network.head?.feedback?.steps ?? 1);
}

/** From the place among all numbers of a sample's answer to the index on the answer's own axes. */
export function answerIndex(network: Network, flat: number): number[] {
  const index: number[] = [];
  for (const size of answerSizes(network).reverse()) {
    index.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  return index;
}

/** From the index on the answer's own axes to the place among all numbers of a sample's answer. */
export function answerPlace(network: Network, index: readonly number[]): number {
  return answerSizes(network).reduce((place, size, axis) => place * size + (index[axis] ?? 0), 0);
}

/** What a layer reads in one column: an input, or the state of the layer below; both parts of a residual sum. */
export function sources(network: Network, layer: number, sample: number, step: number, column: number): Address[] {
  if (layer === 0) return [canonical(network, { of: 'x', sample, step, feature: column })];
  const below = layer - 1;
  const width = network.outputWidth(below);
  const direction = network.directionsOf(below)[Math.floor(column / width)]!;
  const h: Address = { of: 'state', state: 'h', sample, layer: below, direction, step, unit: column % width };
  return network.addsInput(below) ? [h, ...sources(network, below, sample, step, column)] : [h];
}

/** The step that a direction's state was at before a step; 'start' before the first. */
export function stepBefore(network: Network, sample: number, direction: DirectionName, step: number): number | 'start' {
  const before = direction === 'forward' ? step - 1 : step + 1;
  const outside = direction === 'forward' ? before < 0 : before >= network.lengths(sample);
  return outside ? 'start' : before;
}

/** The step after which a direction's state is in h_n; 'start' for a sample without any step. */
export function finalStep(network: Network, sample: number, direction: DirectionName): number | 'start' {
  const length = network.lengths(sample);
  if (length === 0) return 'start';
  return direction === 'forward' ? length - 1 : 0;
}

/** Where a number stands in what the user gave or got, as code in the user's own layout. */
export function places(network: Network, address: Address): Place[] {
  const known = canonical(network, address);
  switch (known.of) {
    case 'x':
      return [{ tensor: 'x', code: `x[${inLayout(network, known.sample, known.step, known.feature)}]` }];
    case 'gate':
      return [];
    case 'state':
      return [...inOutput(network, known), ...inFinals(network, known)];
    case 'weight':
      return [{ tensor: 'parameter', code: parameterCode(network, known) }];
    case 'answer':
      return [{ tensor: 'answer', code: `model(x)[${answerCode(network, known.sample, known.index)}]` }];
  }
}

/** Indices of (sample, step, column) in the order in which the user's tensors have their axes. */
export function inLayout(network: Network, sample: number, step: number, column: number | string): string {
  if (!network.batched) return `${step}, ${column}`;
  return network.batchFirst ? `${sample}, ${step}, ${column}` : `${step}, ${sample}, ${column}`;
}

function inOutput(network: Network, { state, layer, direction, sample, step, unit }: State): Place[] {
  if (state !== 'h' || layer !== network.layers - 1 || network.addsInput(layer)) return [];
  if (step === 'start' || step >= network.sizes.time) return [];
  const width = network.outputWidth(layer);
  const reverse = direction === 'reverse';
  const code = `output[${inLayout(network, sample, step, unit + (reverse ? width : 0))}]`;
  const half = `output[..., ${reverse ? `${width}:` : `:${width}`}][${inLayout(network, sample, step, unit)}]`;
  return [code, ...(network.directions.length > 1 ? [half] : [])].map((code) => ({ tensor: 'output', code }));
}

function inFinals(network: Network, { state, layer, direction, sample, step, unit }: State): Place[] {
  if (network.kind === 'Stack' || !(state === 'h' || state === 'c')) return [];
  if (step !== finalStep(network, sample, direction)) return [];
  const index = [...(network.batched ? [sample] : []), unit].join(', ');
  return [{ tensor: `${state}_n`, code: `${finalCode(network, state, layer, direction)}, ${index}]` }];
}

/** How the final state of one direction of one layer is indexed, but for what follows: 'h_n[3', 'h_n[1][0'. */
function finalCode(network: Network, state: string, layer: number, direction: DirectionName): string {
  const d = network.directions.indexOf(direction);
  return network.perLayer ? `${state}_n[${layer}][${d}` : `${state}_n[${network.row(layer, direction)}`;
}

function parameterCode(network: Network, at: Weight): string {
  const index = at.column === null ? `${at.row}` : `${at.row}, ${at.column}`;
  if (at.layer === HEAD) return `${at.name}[${index}]`;
  const suffix = at.direction === 'reverse' ? '_reverse' : '';
  return `${moduleCode(network.name)}.${at.name}_l${at.layer}${suffix}[${index}]`;
}

/** The user's module as code. */
export function moduleCode(name: string): string {
  if (name === '') return 'model';
  const plain = name.split('.').every((part) => /^[A-Za-z_]\w*$/.test(part));
  return plain ? `model.${name}` : `model.get_submodule("${name}")`;
}

function answerCode(network: Network, sample: number, index: number[]): string {
  if (!network.batched) return index.join(', ');
  const everyStep = network.head?.reads === 'output' && index.length > 1 && !network.batchFirst;
  return (everyStep ? [index[0], sample, ...index.slice(1)] : [sample, ...index]).join(', ');
}

/** The array of the head that an address of a parameter is in: 'head.0.weight'. */
export function headPart(network: Network, { layer, name }: Weight): NamedArray | null {
  if (layer !== HEAD) return null;
  const [, number, which] = name.split('.');
  const part = network.head?.layers[Number(number)];
  if (part?.kind !== 'Linear') return null;
  return which === 'bias' ? part.bias : part.weight;
}
