// What every view speaks in: addresses of numbers, blocks that draw them, sums that make them.

import type { DirectionName } from '../document';

/** Every number in the page has one address. Indices are those of the user's own batch and layer. */
export type Address =
  | { of: 'x'; sample: number; step: number; feature: number }
  /** A gate's value after ("f") or before ("f_pre") its nonlinearity. */
  | { of: 'gate'; gate: string; sample: number; layer: number; direction: DirectionName; step: number; unit: number }
  /** A state after a step; the initial state is at 'start', a place outside time for both directions. */
  | {
      of: 'state';
      state: string;
      sample: number;
      layer: number;
      direction: DirectionName;
      step: number | 'start';
      unit: number;
    }
  /** A parameter: a column of null for a bias. */
  | { of: 'weight'; name: string; layer: number; direction: DirectionName; row: number; column: number | null }
  /** A number of the model's answer (head): `index` counts the answer's own axes after the batch. */
  | { of: 'answer'; sample: number; index: number[] };

/** The one selection that all views share. */
export interface Selection {
  sample: number;
  layer: number;
  direction: DirectionName;
  step: number;
  unit: number;
  /** 'i', 'f', 'g', 'o' (LSTM), 'r', 'z', 'n' (GRU), 'h' (RNN), or a state: 'h', 'c'. */
  gate: string;
}

export type AxisName = 'batch' | 'time' | 'feature' | 'hidden' | 'gate' | 'answer';

/** An axis of a drawn block: `shown` are true indices; fewer than `size` when some were left out. */
export interface Axis {
  name: AxisName;
  size: number;
  shown: number[];
  labels?: string[];
}

export type Role = 'input' | 'hidden' | 'cell' | 'gate-i' | 'gate-f' | 'gate-g' | 'gate-o' | 'weight' | 'answer';

/** What a view draws: hover, arrows, values and arithmetic all follow from this description. */
export interface Block {
  id: string;
  role: Role;
  /** The API's name for it: 'x', 'h', 'weight_hh_l0'. */
  title: string;
  rows: Axis;
  columns: Axis;
  /** The address of a cell by true indices; null where there is padding. */
  at(row: number, column: number): Address | null;
}

/** One product of a sum: weight · factor; a bias has no factor, an elementwise product two factors. */
export interface Term {
  /** As code: 'weight_ih_l0[7, 2] * x[t, 2]'. */
  label: string;
  left: Address | null;
  right: Address | null;
  leftValue: number;
  rightValue: number;
  product: number;
  /** What the product is multiplied by besides: the reset gate of a GRU's n, tanh(c) under a projection. */
  factor?: { label: string; address: Address | null; value: number };
}

/** A number as the sum it is: value = nonlinearity(Σ products). */
export interface Sum {
  address: Address;
  /** Which formula it follows; the page has its MathML by this name: 'lstm.f', 'lstm.c', 'gru.n', 'head', … */
  formula: string;
  /** In the order of the equation; sorting by size is the view's. */
  terms: Term[];
  total: number;
  /** 'sigmoid', 'tanh', 'relu', 'identity', … */
  nonlinearity: string;
  /** The total is kept within ±bound before the nonlinearity (`preactivation_clip`, `cell_clip`). */
  bound?: number;
  value: number;
  /** The user set the value: it is not what the terms make. */
  set?: boolean;
}

/** Where a number stands in what the user's call returned. */
export interface Place {
  tensor: 'output' | 'h_n' | 'c_n' | 'x' | 'parameter' | 'answer';
  /** As code to paste: 'output[2, 4, 7]', 'h_n[0, 2, 7]'. */
  code: string;
}

/** What the user changed; numbers in the units of the page. */
export interface Edits {
  /** By `key(address)`: an input or a state set to a value. */
  values: Map<string, { address: Address; value: number }>;
  /** Gates held at a value: for one unit (or all: null) at one step (or all: null). */
  clamps: {
    layer: number;
    direction: DirectionName;
    gate: string;
    unit: number | null;
    step: number | null;
    value: number;
  }[];
}

/** All numbers of one sample. */
export interface Run {
  sample: number;
  /** undefined: not in the page (left out of a large model, or padding). */
  value(address: Address): number | undefined;
}
