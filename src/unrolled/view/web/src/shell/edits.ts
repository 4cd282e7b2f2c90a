// What the user changed, as immutable data: each change makes new Edits, so that undoing is remembering.

import type { Address, Edits } from '../engine/types';

export type Clamp = Edits['clamps'][number];

export function noEdits(): Edits {
  return { values: new Map(), clamps: [] };
}

export function withValue(edits: Edits, key: string, address: Address, value: number): Edits {
  return { ...edits, values: new Map(edits.values).set(key, { address, value }) };
}

export function withoutValue(edits: Edits, key: string): Edits {
  const values = new Map(edits.values);
  values.delete(key);
  return { ...edits, values };
}

/** A clamp of the same scope replaces the one before it. */
export function withClamp(edits: Edits, clamp: Clamp): Edits {
  return { ...edits, clamps: [...withoutClamp(edits, clamp).clamps, clamp] };
}

export function withoutClamp(edits: Edits, clamp: Clamp): Edits {
  return { ...edits, clamps: edits.clamps.filter((one) => scope(one) !== scope(clamp)) };
}

/** What a clamp holds, whatever the value. */
export function scope(clamp: Clamp): string {
  const { layer, direction, gate, unit, step } = clamp;
  return [layer, direction, gate, unit ?? '*', step ?? '*'].join(' ');
}

/** The edits that reach a sample: its own values and every clamp. */
export function count(edits: Edits, sample: number): number {
  const own = [...edits.values.values()].filter(({ address }) => 'sample' in address && address.sample === sample);
  return own.length + edits.clamps.length;
}
