// The forward pass in the page: all numbers of one sample, from the weights, with what the user changed.
//
// What the page can compute (Python decides by the same list whether `computes` is null):
//   kinds              LSTM, GRU, RNN
//   bidirectional, num_layers, proj_size, bias, lengths, initial states   any; hidden_size one number or one per layer
//   residual, peephole, coupled_gates, layer_norm, reset_after            True and False
//   cell_clip, preactivation_clip                                         none or a number
//   activation, recurrent_activation, nonlinearity                        every name of cells/activations.py, and
//                                                                         "Activation('name', alpha=…, beta=…)"
//   dropout, recurrent_dropout, weight_drop                               any: they do nothing in eval()
// What it can't: zoneout other than 0 (which mixes states in eval() too), activations that are functions of the user's
// own, SLSTM, Stack; and nothing without whole weights, inputs and initial states.

import { makeStep, Plan, Room } from './cells';
import { headVector, readHead } from './head';
import type { Network } from './network';
import { beginning, Overrides } from './overrides';
import { answerPlace, answersPerStep } from './places';
import { weightValue } from './stored';
import type { Address, Edits, Run } from './types';

const NOTHING: Edits = { values: new Map(), clamps: [] };

/** How many multiplications are done between two yields: about a frame's time. */
const CHUNK = 10_000_000;

/** All numbers of a sample, computed; `edits` may be of other samples too, which do not count. */
export function compute(network: Network, sample: number, edits: Edits): ComputedRun {
  const { run, work } = prepare(network, sample, edits);
  finish(work);
  return run;
}

/** As if the sample had another length: what the layer would read if it were not told of the padding. */
export function computeWithLength(network: Network, sample: number, edits: Edits, length: number): ComputedRun {
  const run = new ComputedRun(network, sample, edits, length);
  finish(run.work());
  return run;
}

/** `compute` in slices, so that the page stays awake; `progress` is told the share that is done. */
export async function computeAsync(
  network: Network,
  sample: number,
  edits: Edits,
  progress: (share: number) => void = () => {},
  signal?: AbortSignal,
): Promise<ComputedRun> {
  const { run, work } = prepare(network, sample, edits);
  for (let next = work.next(); !next.done; next = work.next()) {
    progress(next.value);
    await new Promise((resume) => setTimeout(resume));
    signal?.throwIfAborted();
  }
  return run;
}

/** How many multiplications a whole sample takes: below some ten million nobody notices. */
export function cost(network: Network): number {
  const parameters = network.weights.flatMap((part) => Object.values(part.arrays));
  return network.sizes.time * parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** The numbers without edits are kept: an edit costs no more than the layers above it and, in one direction, the steps
 * after it. */
const untouched = new WeakMap<Network, ComputedRun>();

function prepare(network: Network, sample: number, edits: Edits): { run: ComputedRun; work: Iterator<number> } {
  const first = beginning(edits, sample);
  const known = untouched.get(network);
  const base = known?.sample === sample ? known : null;
  if (first === null) return base ? { run: base, work: [].values() } : fresh(network, sample);
  const run = new ComputedRun(network, sample, edits, network.lengths(sample), base);
  const bothWays = network.parts.some((part) => part.direction === 'reverse');
  return { run, work: base ? run.work(first.layer, bothWays ? 0 : first.step) : run.work() };
}

function fresh(network: Network, sample: number): { run: ComputedRun; work: Iterator<number> } {
  const run = new ComputedRun(network, sample, NOTHING, network.lengths(sample));
  const keep = function* () {
    yield* run.work();
    untouched.set(network, run);
  };
  return { run, work: keep() };
}

function finish(work: Iterator<number>): void {
  while (!work.next().done);
}

const plans = new WeakMap<Network, Plan[]>();

/** The weights of each direction of each layer as doubles, made once. */
function plansOf(network: Network): Plan[] {
  const made = plans.get(network) ?? network.parts.map((part) => new Plan(network, part));
  plans.set(network, made);
  return made;
}

export class ComputedRun implements Run {
  readonly sample: number;
  readonly edits: Edits;
  readonly length: number;
  /** Steps for which there is room: a forecaster that feeds back goes on after the window. */
  readonly steps: number;
  /** What each layer reads, step by step; the last one is the output. */
  readonly between: Float64Array[];
  readonly rooms: Room[];
  /** All numbers of the answer, in the order of its own axes. */
  answer: Float64Array;
  #network: Network;

  constructor(network: Network, sample: number, edits: Edits, length: number, base: ComputedRun | null = null) {
    this.sample = sample;
    this.edits = edits;
    this.length = length;
    this.#network = network;
    this.steps = network.sizes.time + Math.max(0, (network.head?.feedback?.steps ?? 1) - 1);
    const widths = Array.from({ length: network.layers + 1 }, (_, layer) => network.inputWidth(layer));
    this.between = base?.between.map((a) => a.slice()) ?? widths.map((width) => new Float64Array(this.steps * width));
    this.rooms = base?.rooms.map((room) => room.copy()) ?? plansOf(network).map((plan) => new Room(plan, this.steps));
    this.answer = base?.answer.slice() ?? new Float64Array(0);
    this.#begin();
  }

  value(address: Address): number | undefined {
    if (address.of === 'weight') return weightValue(this.#network, address);
    if (address.sample !== this.sample) return undefined;
    if (address.of === 'answer') return this.answer[answerPlace(this.#network, address.index)];
    const step = address.step === 'start' ? -1 : address.step;
    if (step >= this.readable || step < -1) return undefined;
    if (address.of === 'x') return this.between[0]![step * this.#network.inputWidth(0) + address.feature];
    const room = this.rooms[this.#network.row(address.layer, address.direction)]!;
    if (address.of === 'state') return this.#unit(room.states[address.state], step + 1, address, address.state);
    if (address.gate === 'h') return this.#unit(room.states.h, step + 1, address, 'h');
    return step < 0 ? undefined : this.#unit(room.gates[address.gate], step, address, 'gate');
  }

  /** Steps that hold numbers. */
  get readable(): number {
    return this.length === 0 ? 0 : this.length + this.steps - this.#network.sizes.time;
  }

  /** Runs the layers from one on, each from a step on, then the head; gives out the share that is done now and then. */
  *work(first = 0, from = 0): Generator<number> {
    const network = this.#network;
    const each = cost(network) / Math.max(1, network.sizes.time);
    const all = (each * (this.length - from) * (network.layers - first)) / network.layers;
    let done = 0;
    for (let layer = first; layer < network.layers; layer++) {
      for (const direction of network.directionsOf(layer)) {
        const step = this.#step(layer, direction);
        const share = each / network.parts.length;
        for (let k = from; k < this.length; k++) {
          step(direction === 'forward' ? k : this.length - 1 - (k - from));
          done += share;
          if (done % CHUNK < share) yield Math.min(1, done / all);
        }
      }
      for (let t = from; t < this.length; t++) this.#join(layer, t);
    }
    this.#answer();
  }

  #unit(values: Float64Array | undefined, row: number, at: { layer: number; unit: number }, state: string) {
    const width = state === 'gate' ? this.#network.widths(at.layer) : this.#network.stateWidth(at.layer, state);
    return at.unit < width ? values?.[row * width + at.unit] : undefined;
  }

  /** Inputs and initial states: as recorded, or as the user set them. */
  #begin(): void {
    const network = this.#network;
    const at = network.shown.batch.indexOf(this.sample);
    const x = this.between[0]!;
    const features = network.sizes.feature;
    if (at >= 0 && network.inputs) {
      const size = network.sizes.time * features;
      x.set(network.inputs.data.subarray(at * size, (at + 1) * size));
    }
    for (const { address, value } of this.edits.values.values()) {
      if (address.of === 'x' && address.sample === this.sample) x[address.step * features + address.feature] = value;
    }
    network.parts.forEach((part, row) => this.#beginPart(row, part.layer, at));
  }

  #beginPart(row: number, layer: number, at: number): void {
    const network = this.#network;
    const overrides = new Overrides(this.edits, this.sample, layer, network.parts[row]!.direction);
    for (const [state, values] of Object.entries(this.rooms[row]!.states)) {
      const width = network.stateWidth(layer, state);
      const first = network.initial[row]?.arrays[`${state}_0`]?.data.subarray(at * width, (at + 1) * width);
      if (first && at >= 0) values.set(first);
      overrides.apply(state, 'start', values, 0, width);
    }
  }

  /** The step function of one direction of one layer, by the step's place in time. */
  #step(layer: number, direction: 'forward' | 'reverse'): (t: number) => void {
    const row = this.#network.row(layer, direction);
    const overrides = new Overrides(this.edits, this.sample, layer, direction);
    const step = makeStep(plansOf(this.#network)[row]!, this.rooms[row]!, overrides);
    const [x, width] = [this.between[layer]!, this.#network.inputWidth(layer)];
    if (direction === 'forward') return (t) => step(x, t * width, t, t);
    return (t) => step(x, t * width, t, t === this.length - 1 ? 0 : t + 2);
  }

  /** Puts the directions of a layer side by side, for the next one to read. */
  #join(layer: number, t: number): void {
    const network = this.#network;
    const [width, total] = [network.outputWidth(layer), network.inputWidth(layer + 1)];
    const y = this.between[layer + 1]!;
    network.directionsOf(layer).forEach((direction, d) => {
      const h = this.rooms[network.row(layer, direction)]!.states.h!;
      y.set(h.subarray((t + 1) * width, (t + 2) * width), t * total + d * width);
    });
    if (!network.addsInput(layer)) return;
    const x = this.between[layer]!;
    for (let j = t * total; j < (t + 1) * total; j++) y[j]! += x[j]!;
  }

  #answer(): void {
    const { head } = this.#network;
    if (!head) return;
    if (!head.feedback) this.answer = readHead(this.#network, this);
    else this.#feedBack(head.feedback);
  }

  /** Each forecast is the next step's input. */
  #feedBack({ steps, output, constants }: { steps: number; output: number; constants: number[] }): void {
    const network = this.#network;
    const each = answersPerStep(network);
    const features = network.sizes.feature;
    const walk = Array.from({ length: network.layers }, (_, layer) => this.#step(layer, 'forward'));
    this.answer = new Float64Array(steps * each);
    for (let k = 0; k < steps; k++) {
      const t = this.length - 1 + k;
      if (k > 0) {
        this.between[0]!.set([this.answer[(k - 1) * each + output]!, ...constants], t * features);
        walk.forEach((step, layer) => (step(t), this.#join(layer, t)));
      }
      this.answer.set(headVector(network, this, t), k * each);
    }
  }
}
