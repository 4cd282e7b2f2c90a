// What the user set in one direction of one layer, by step, ready for the time loop to look up.

import type { DirectionName } from '../document';
import { key } from './places';
import type { Address, Edits } from './types';

type Setting = { unit: number | null; value: number };
type Clamp = Edits['clamps'][number];

/** The settings of one gate or state: those of all steps, and those of single ones. */
class Settings {
  always: Setting[] = [];
  at = new Map<number | 'start', Setting[]>();

  add(step: number | 'start' | null, setting: Setting): void {
    if (step === null) this.always.push(setting);
    else this.at.set(step, [...(this.at.get(step) ?? []), setting]);
  }
}

export class Overrides {
  #byName = new Map<string, Settings>();

  constructor(edits: Edits, sample: number, layer: number, direction: DirectionName) {
    for (const clamp of edits.clamps) {
      if (clamp.layer === layer && clamp.direction === direction) this.#add(clamp.gate, clamp.step, clamp);
    }
    for (const { address, value } of edits.values.values()) {
      if (address.of !== 'state' && address.of !== 'gate') continue;
      if (address.sample !== sample || address.layer !== layer || address.direction !== direction) continue;
      this.#add(address.of === 'gate' ? address.gate : address.state, address.step, { unit: address.unit, value });
    }
  }

  /** Puts what was set in place of what was computed: `width` values from `offset` on. */
  apply(name: string, step: number | 'start', values: Float64Array, offset: number, width: number): void {
    const settings = this.#byName.get(name);
    if (!settings) return;
    if (step !== 'start') for (const setting of settings.always) put(setting, values, offset, width);
    for (const setting of settings.at.get(step) ?? []) put(setting, values, offset, width);
  }

  #add(name: string, step: number | 'start' | null, { unit, value }: Setting): void {
    const settings = this.#byName.get(name) ?? new Settings();
    settings.add(step, { unit, value });
    this.#byName.set(name, settings);
  }
}

function put({ unit, value }: Setting, values: Float64Array, offset: number, width: number): void {
  if (unit === null) values.fill(value, offset, offset + width);
  else if (unit < width) values[offset + unit] = value;
}

/** Whether a number, by its canonical address, is what the user set rather than what the network made of it. */
export function isSet(edits: Edits, address: Address): boolean {
  const wanted = key(address);
  if ([...edits.values.values()].some((edit) => key(edit.address) === wanted)) return true;
  return edits.clamps.some((clamp) => holds(clamp, address));
}

function holds({ layer, direction, gate, unit, step }: Clamp, address: Address): boolean {
  if (address.of !== 'gate' && address.of !== 'state') return false;
  const name = address.of === 'gate' ? address.gate : address.state;
  return (
    [address.layer, address.direction, name].join() === [layer, direction, gate].join() &&
    (unit === null || unit === address.unit) &&
    (step === null ? address.step !== 'start' : step === address.step)
  );
}

/** Where the edits that reach a sample begin to tell: the lowest layer, and the first step; null when none does. */
export function beginning(edits: Edits, sample: number): { layer: number; step: number } | null {
  const places = edits.clamps.map(({ layer, step }) => ({ layer, step: step ?? 0 }));
  for (const { address } of edits.values.values()) {
    if (address.of === 'weight' || address.of === 'answer' || address.sample !== sample) continue;
    const layer = address.of === 'x' ? 0 : address.layer;
    places.push({ layer, step: address.step === 'start' ? 0 : address.step });
  }
  if (places.length === 0) return null;
  return { layer: Math.min(...places.map((one) => one.layer)), step: Math.min(...places.map((one) => one.step)) };
}
