// The ends of the sliders: wide enough for the number as it was, and for what its nonlinearity can make.

import type { Kind } from '../document';
import type { Network } from '../engine/network';

/** The range widened until it holds the value. */
export function around([low, high]: [number, number], value: number): [number, number] {
  return [Math.min(low, Math.floor(value)), Math.max(high, Math.ceil(value))];
}

/** Candidates (LSTM's g, GRU's n) come from tanh; all other gates from the logistic function. */
export function gateRange(kind: Kind, gate: string): [number, number] {
  const candidate = (kind === 'GRU' && gate === 'n') || gate === 'g' || gate === 'h';
  return candidate ? [-1, 1] : [0, 1];
}

/** What a feature takes in the shown samples, with as much again on either side, in whole numbers. */
export function inputRange(network: Network, feature: number): [number, number] {
  const array = network.inputs;
  if (!array) return [-3, 3];
  const [, , features = 1] = array.shape;
  let low = Infinity;
  let high = -Infinity;
  for (let k = feature; k < array.data.length; k += features) {
    low = Math.min(low, array.data[k]!);
    high = Math.max(high, array.data[k]!);
  }
  const span = Math.max(high - low, 1);
  return Number.isFinite(low) ? [Math.floor(low - span / 2), Math.ceil(high + span / 2)] : [-3, 3];
}
