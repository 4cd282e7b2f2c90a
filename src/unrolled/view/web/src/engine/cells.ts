// One step of each cell, as in cells/*.py, in doubles; and the room in which a direction of a layer keeps its numbers.
// H = hidden units, S = width of h, B = gate blocks. A state's row 0 is the initial one, row t + 1 that after step t.

import { nonlinearity, type Nonlinearity } from './activations';
import { normalise, product } from './arithmetic';
import type { Network, Part } from './network';
import type { Overrides } from './overrides';

/** Weights of a direction of a layer as doubles, and what its settings say. */
export class Plan {
  readonly kind: string;
  readonly hidden: number;
  readonly output: number;
  readonly reads: number;
  readonly gates: string[];
  readonly states: string[];
  readonly settings: Readonly<Record<string, unknown>>;
  #weights: Record<string, Float64Array> = {};

  constructor(network: Network, part: Part) {
    this.kind = network.kind;
    this.settings = network.settings;
    this.hidden = network.widths(part.layer);
    this.output = network.outputWidth(part.layer);
    this.reads = network.inputWidth(part.layer);
    this.states = network.statesOf(part.layer);
    this.gates = network.gatesOf(part.layer);
    const weights = network.weights[network.row(part.layer, part.direction)]?.arrays ?? {};
    for (const [name, array] of Object.entries(weights)) this.#weights[name] = array.doubles;
  }

  weight(name: string): Float64Array | null {
    return this.#weights[name] ?? null;
  }

  /** A parameter that every such cell has. */
  need(name: string): Float64Array {
    const weight = this.weight(name);
    if (!weight) throw new Error(`The page has no ${name} of this layer.`);
    return weight;
  }

  /** An RNN's gate is its state; a coupled gate i is worked out from f, not from sums of its own. */
  keeps(name: string): boolean {
    return name !== 'h' && !(name === 'i_pre' && this.settings.coupled_gates);
  }

  width(state: string): number {
    return state === 'h' ? this.output : this.hidden;
  }
}

/** The numbers of one direction of one layer, for one sample. */
export class Room {
  readonly gates: Record<string, Float64Array> = {};
  readonly states: Record<string, Float64Array> = {};

  constructor(plan: Plan, steps: number) {
    const kept = plan.gates.flatMap((gate) => [`${gate}_pre`, gate]).filter((name) => plan.keeps(name));
    for (const name of kept) this.gates[name] = new Float64Array(steps * plan.hidden);
    for (const state of plan.states) this.states[state] = new Float64Array((steps + 1) * plan.width(state));
  }

  /** A room with the same numbers, of its own. */
  copy(): Room {
    const copy = Object.create(Room.prototype) as { -readonly [K in keyof Room]: Room[K] };
    const arrays = (from: Record<string, Float64Array>) =>
      Object.fromEntries(Object.entries(from).map(([name, values]) => [name, values.slice()]));
    copy.gates = arrays(this.gates);
    copy.states = arrays(this.states);
    return copy as Room;
  }
}

/** Advances by one step: reads `reads` values of x from `offset` on and the states in row `before`. */
export type Step = (x: Float64Array, offset: number, t: number, before: number) => void;

export function makeStep(plan: Plan, room: Room, overrides: Overrides): Step {
  const make = MAKERS[plan.kind];
  if (!make) throw new Error(`The page does not compute a ${plan.kind}.`);
  return make(plan, room, overrides);
}

const MAKERS: Record<string, (plan: Plan, room: Room, overrides: Overrides) => Step> = {
  LSTM: lstmStep,
  GRU: gruStep,
  RNN: rnnStep,
};

/** What a nonlinearity is given stays within ±bound. */
function clipper(bound: unknown): Nonlinearity {
  return typeof bound === 'number' ? (x) => Math.min(bound, Math.max(-bound, x)) : (x) => x;
}

/** W_ih·x + b_ih and W_hh·h + b_hh for all gates, each normalised where the layer says so. */
function products(plan: Plan): { ofX: Float64Array; ofH: Float64Array; fill: Step4 } {
  const [wih, whh] = [plan.need('weight_ih'), plan.need('weight_hh')];
  const [bih, bhh] = [plan.weight('bias_ih'), plan.weight('bias_hh')];
  const [nih, nhh] = [plan.weight('norm_ih'), plan.weight('norm_hh')];
  const [ofX, ofH] = [new Float64Array(wih.length / plan.reads), new Float64Array(whh.length / plan.output)];
  const fill: Step4 = (x, offset, h, row) => {
    product(wih, 0, x, offset, plan.reads, nih ? null : bih, ofX);
    product(whh, 0, h, row * plan.output, plan.output, nhh ? null : bhh, ofH);
    if (nih) normalise(ofX, nih, bih);
    if (nhh) normalise(ofH, nhh, bhh);
  };
  return { ofX, ofH, fill };
}

type Step4 = (x: Float64Array, offset: number, h: Float64Array, row: number) => void;

function lstmStep(plan: Plan, room: Room, overrides: Overrides): Step {
  const { hidden: H, output: S, settings } = plan;
  const sigma = nonlinearity(settings.recurrent_activation, 'sigmoid');
  const phi = nonlinearity(settings.activation, 'tanh');
  const clip = clipper(settings.preactivation_clip);
  const clipCell = clipper(settings.cell_clip);
  const coupled = Boolean(settings.coupled_gates);
  const blocks = coupled ? ['f', 'g', 'o'] : ['i', 'f', 'g', 'o'];
  const looking = blocks.filter((gate) => gate !== 'g');
  const [peephole, whr] = [plan.weight('weight_peephole'), plan.weight('weight_hr')];
  const [normC, normCBias] = [plan.weight('norm_c'), plan.weight('norm_c_bias')];
  const { ofX, ofH, fill } = products(plan);
  const { gates } = room;
  const h = room.states.h!;
  const c = room.states.c!;
  const inside = new Float64Array(H);

  const gate = (name: string, f: Nonlinearity, t: number, cRow: number) => {
    const [pre, post] = [gates[`${name}_pre`]!, gates[name]!];
    const block = blocks.indexOf(name) * H;
    const look = peephole && looking.includes(name) ? looking.indexOf(name) * H : -1;
    for (let j = 0; j < H; j++) {
      const seen = look < 0 ? 0 : peephole![look + j]! * c[cRow * H + j]!;
      pre[t * H + j] = clip(ofX[block + j]! + ofH[block + j]! + seen);
    }
    overrides.apply(`${name}_pre`, t, pre, t * H, H);
    for (let j = 0; j < H; j++) post[t * H + j] = f(pre[t * H + j]!);
    overrides.apply(name, t, post, t * H, H);
  };

  return (x, offset, t, before) => {
    const [at, was, now] = [t * H, before * H, (t + 1) * H];
    fill(x, offset, h, before);
    gate('f', sigma, t, before);
    gate('g', phi, t, before);
    const { i, f, g, o } = gates as Record<'i' | 'f' | 'g' | 'o', Float64Array>;
    if (coupled) {
      for (let j = 0; j < H; j++) i[at + j] = 1 - f[at + j]!;
      overrides.apply('i', t, i, at, H);
    } else {
      gate('i', sigma, t, before);
    }
    for (let j = 0; j < H; j++) c[now + j] = clipCell(f[at + j]! * c[was + j]! + i[at + j]! * g[at + j]!);
    overrides.apply('c', t, c, now, H);
    gate('o', sigma, t, t + 1);
    for (let j = 0; j < H; j++) inside[j] = c[now + j]!;
    if (normC) normalise(inside, normC, normCBias);
    for (let j = 0; j < H; j++) inside[j] = o[at + j]! * phi(inside[j]!);
    if (whr) product(whr, 0, inside, 0, H, null, h.subarray((t + 1) * S, (t + 2) * S));
    else h.set(inside, (t + 1) * S);
    overrides.apply('h', t, h, (t + 1) * S, S);
  };
}

function gruStep(plan: Plan, room: Room, overrides: Overrides): Step {
  const { hidden: H, settings } = plan;
  const sigma = nonlinearity(settings.recurrent_activation, 'sigmoid');
  const phi = nonlinearity(settings.activation, 'tanh');
  const clip = clipper(settings.preactivation_clip);
  const after = settings.reset_after !== false;
  const [whh, bhh] = [plan.need('weight_hh'), plan.weight('bias_hh')];
  const { ofX, ofH, fill } = products(plan);
  const { gates } = room;
  const h = room.states.h!;
  const [reset, ofReset] = [new Float64Array(H), new Float64Array(H)];

  const gate = (name: string, f: Nonlinearity, t: number, block: number, recurrent: Float64Array, from: number) => {
    const [pre, post] = [gates[`${name}_pre`]!, gates[name]!];
    for (let j = 0; j < H; j++) pre[t * H + j] = clip(ofX[block * H + j]! + recurrent[from + j]!);
    overrides.apply(`${name}_pre`, t, pre, t * H, H);
    for (let j = 0; j < H; j++) post[t * H + j] = f(pre[t * H + j]!);
    overrides.apply(name, t, post, t * H, H);
  };

  return (x, offset, t, before) => {
    const [at, was, now] = [t * H, before * H, (t + 1) * H];
    fill(x, offset, h, before);
    gate('r', sigma, t, 0, ofH, 0);
    gate('z', sigma, t, 1, ofH, H);
    const { r, z, n } = gates as Record<'r' | 'z' | 'n', Float64Array>;
    if (after) {
      for (let j = 0; j < H; j++) ofReset[j] = r[at + j]! * ofH[2 * H + j]!;
    } else {
      for (let j = 0; j < H; j++) reset[j] = r[at + j]! * h[was + j]!;
      product(whh, 2 * H, reset, 0, H, bhh, ofReset);
    }
    gate('n', phi, t, 2, ofReset, 0);
    for (let j = 0; j < H; j++) h[now + j] = (1 - z[at + j]!) * n[at + j]! + z[at + j]! * h[was + j]!;
    overrides.apply('h', t, h, now, H);
  };
}

function rnnStep(plan: Plan, room: Room, overrides: Overrides): Step {
  const { hidden: H, settings } = plan;
  const phi = nonlinearity(settings.nonlinearity, 'tanh');
  const clip = clipper(settings.preactivation_clip);
  const { ofX, ofH, fill } = products(plan);
  const h = room.states.h!;
  const pre = room.gates.h_pre!;

  return (x, offset, t, before) => {
    fill(x, offset, h, before);
    for (let j = 0; j < H; j++) pre[t * H + j] = clip(ofX[j]! + ofH[j]!);
    overrides.apply('h_pre', t, pre, t * H, H);
    for (let j = 0; j < H; j++) h[(t + 1) * H + j] = phi(pre[t * H + j]!);
    overrides.apply('h', t, h, (t + 1) * H, H);
  };
}
