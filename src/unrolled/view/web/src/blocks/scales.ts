// From numbers to colours: the range of each kind of number, found once in what Python recorded.

import type { NamedArray } from '../decode';
import { roundUp, type Scale } from '../draw/colours';
import type { Network } from '../engine/network';

const found = new WeakMap<Network, Map<string, number>>();

/** The scale of x: the same for all samples, so that they can be compared. */
export function inputScale(network: Network): Scale {
  const arrays = [network.inputs ?? network.parts[0]?.arrays.inputs];
  return { name: 'x', kind: 'signed', limit: roundUp(largest(network, 'x', arrays)) };
}

/** The scale of a state: 1 for what a tanh made, otherwise the largest number there is. */
export function stateScale(network: Network, state: string): Scale {
  const most = largest(
    network,
    state,
    network.parts.map((part) => part.arrays[state]),
  );
  const bounded = state === 'h' && most <= 1;
  return { name: state, kind: 'signed', limit: bounded ? 1 : roundUp(most) };
}

/** The scale of a gate: 0 to 1 where a sigmoid made it, otherwise around zero. */
export function gateScale(network: Network, gate: string): Scale {
  if (gate === 'h') return stateScale(network, 'h');
  const most = largest(
    network,
    `gate ${gate}`,
    network.parts.map((part) => part.arrays[gate]),
  );
  const limit = most <= 1 ? 1 : roundUp(most);
  if (gate.endsWith('_pre') || gate === 'g' || gate === 'n') return { name: gate, kind: 'signed', limit };
  return { name: gate, kind: 'unit', limit };
}

/** The scale of all parameters of a network. */
export function weightScale(network: Network): Scale {
  const arrays = network.weights.flatMap((part) => Object.values(part.arrays));
  return { name: 'weights', kind: 'signed', limit: roundUp(largest(network, 'weights', arrays)) };
}

export function answerScale(network: Network): Scale {
  return { name: 'answer', kind: 'signed', limit: roundUp(largest(network, 'answer', [network.head?.output])) };
}

function largest(network: Network, name: string, arrays: (NamedArray | undefined)[]): number {
  const known = found.get(network) ?? new Map<string, number>();
  found.set(network, known);
  const most = known.get(name) ?? Math.max(0, ...arrays.map(largestOf));
  known.set(name, most);
  return most;
}

function largestOf(array: NamedArray | undefined): number {
  let most = 0;
  for (const value of array?.data ?? []) {
    const size = Math.abs(value);
    if (size > most && Number.isFinite(size)) most = size;
  }
  return most;
}

/** One colour bar: a scale and the names of all it is used for. */
export interface Bar {
  scale: Scale;
  names: string[];
}

/** The scales of a picture, one for each range, as the legend shows them. */
export function bars(scales: Scale[]): Bar[] {
  const byRange = new Map<string, Bar>();
  for (const scale of scales) {
    const id = `${scale.kind} ${scale.limit}`;
    const bar = byRange.get(id) ?? { scale, names: [] };
    if (!bar.names.includes(scale.name)) bar.names.push(scale.name);
    byRange.set(id, bar);
  }
  return [...byRange.values()];
}
