// The numbers of one sample as Python recorded them, found by address; a large model's are there only where shown.

import type { NamedArray } from '../decode';
import type { Network } from './network';
import { headPart } from './places';
import { pick } from './shown';
import type { Address, Run } from './types';

export class StoredRun implements Run {
  readonly sample: number;
  #network: Network;
  #at: number;

  constructor(network: Network, sample: number) {
    this.sample = sample;
    this.#network = network;
    this.#at = network.shown.batch.indexOf(sample);
  }

  value(address: Address): number | undefined {
    if (address.of === 'weight') return weightValue(this.#network, address);
    if (address.sample !== this.sample || this.#at < 0) return undefined;
    switch (address.of) {
      case 'x':
        return this.#input(address.step, address.feature);
      case 'gate':
        return this.#cell(address, address.gate, address.step);
      case 'state':
        return address.step === 'start' ? this.#start(address) : this.#cell(address, address.state, address.step);
      case 'answer':
        return this.#answer(address.index);
    }
  }

  #input(step: number, feature: number): number | undefined {
    const { shown, inputs, parts } = this.#network;
    if (step >= this.#network.lengths(this.sample)) return undefined;
    if (inputs) return inputs.at(this.#at, step, feature);
    return parts[0]!.arrays.inputs?.at(shown.time.indexOf(step), this.#at, shown.feature.indexOf(feature));
  }

  #answer(index: number[]): number | undefined {
    const output = this.#network.head?.output;
    const { time } = this.#network.shown;
    return output?.at(this.#at, ...index.map((k, axis) => (output.axes[axis + 1] === 'time' ? time.indexOf(k) : k)));
  }

  #cell(at: Extract<Address, { of: 'gate' | 'state' }>, name: string, step: number): number | undefined {
    const array = this.#network.part(at.layer, at.direction).arrays[name];
    if (!array || step >= this.#network.lengths(this.sample)) return undefined;
    return array.at(this.#network.shown.time.indexOf(step), this.#at, this.#column(array, at));
  }

  #start(at: Extract<Address, { of: 'state' }>): number | undefined {
    const name = `${at.state}_0`;
    const whole = this.#network.initial[this.#network.row(at.layer, at.direction)]?.arrays[name];
    if (whole) return whole.at(this.#at, at.unit);
    const array = this.#network.part(at.layer, at.direction).arrays[name];
    return array?.at(this.#at, this.#column(array, at));
  }

  /** Where a unit stands in an array that holds what is shown; of a projection, evenly spaced units are. */
  #column(array: NamedArray, { layer, unit }: { layer: number; unit: number }): number {
    const projected = array.axes.at(-1) === 'projection';
    const shown = projected
      ? pick(this.#network.outputWidth(layer), array.shape.at(-1)!)
      : this.#network.shown.hidden[layer];
    return shown?.indexOf(unit) ?? -1;
  }
}

/** A parameter of the recurrent layer or of the head. */
export function weightValue(network: Network, at: Extract<Address, { of: 'weight' }>): number | undefined {
  const array = headPart(network, at) ?? network.weight(at.layer, at.direction, at.name);
  if (!array) return undefined;
  return at.column === null ? array.at(at.row) : array.at(at.row, at.column);
}
