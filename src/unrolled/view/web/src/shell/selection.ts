// The selection as plain data: fitted to what a network holds, and as an address and back.

import type { DirectionName } from '../document';
import type { Address, Selection } from '../engine/types';

/** What of a network decides which selections there are. */
export interface Extent {
  layers: number;
  directionsOf(layer: number): DirectionName[];
  gatesOf(layer: number): string[];
  statesOf(layer: number): string[];
  /** A projected h is narrower than its layer. */
  stateWidth(layer: number, state: string): number;
  /** True indices that can be selected; `hidden` has a list for each layer. */
  shown: { batch: number[]; time: number[]; hidden: number[][] };
  lengths(sample: number): number;
}

/** Everything of the shown samples, as after computing them in the page. */
export function wholeExtent(network: Extent & { sizes: { time: number }; widths(layer: number): number }): Extent {
  const hidden = Array.from({ length: network.layers }, (_, layer) => range(network.widths(layer)));
  return {
    layers: network.layers,
    shown: { batch: network.shown.batch, time: range(network.sizes.time), hidden },
    directionsOf: (layer) => network.directionsOf(layer),
    gatesOf: (layer) => network.gatesOf(layer),
    statesOf: (layer) => network.statesOf(layer),
    stateWidth: (layer, state) => network.stateWidth(layer, state),
    lengths: (sample) => network.lengths(sample),
  };
}

function range(size: number): number[] {
  return Array.from({ length: size }, (_, k) => k);
}

/** The member of a sorted, non-empty list that lies nearest to `wish`. */
export function nearest(list: number[], wish: number): number {
  return list.reduce((best, one) => (Math.abs(one - wish) < Math.abs(best - wish) ? one : best), list[0] ?? 0);
}

/** The valid steps of a sample among those shown: [] for an empty sample. */
export function validSteps(extent: Extent, sample: number): number[] {
  return extent.shown.time.filter((step) => step < extent.lengths(sample));
}

/** The units of a layer that a gate or state has, among those shown. */
export function unitsOf(extent: Extent, layer: number, gate: string): number[] {
  const units = extent.shown.hidden[layer] ?? [];
  return extent.statesOf(layer).includes(gate) ? units.filter((u) => u < extent.stateWidth(layer, gate)) : units;
}

/** The gates and states of a layer, each name once: an RNN's gate h is its state. */
export function namesOf(extent: Extent, layer: number): string[] {
  return [...new Set([...extent.gatesOf(layer), ...extent.statesOf(layer)])];
}

/** The selection nearest to `wish` that the network has; padding cannot be selected. */
export function fit(extent: Extent, wish: Selection): Selection {
  const sample = nearest(extent.shown.batch, wish.sample);
  const layer = Math.max(0, Math.min(extent.layers - 1, Math.round(wish.layer)));
  const names = namesOf(extent, layer);
  const gate = names.includes(wish.gate) ? wish.gate : (names[0] ?? 'h');
  return {
    sample,
    layer,
    direction: extent.directionsOf(layer).includes(wish.direction) ? wish.direction : 'forward',
    step: nearest(validSteps(extent, sample), wish.step),
    unit: nearest(unitsOf(extent, layer, gate), wish.unit),
    gate,
  };
}

/** Where a fresh page begins: the first sample, the middle of its time. */
export function beginning(extent: Extent): Selection {
  const sample = extent.shown.batch[0] ?? 0;
  const step = Math.floor((extent.lengths(sample) - 1) / 2);
  const gate = extent.gatesOf(0).includes('f') ? 'f' : (extent.gatesOf(0)[0] ?? 'h');
  return fit(extent, { sample, layer: 0, direction: 'forward', step, unit: 0, gate });
}

/** The number that a selection names: a gate's value or a state after its step. */
export function addressOf(selection: Selection, states: string[]): Address {
  const { sample, layer, direction, step, unit, gate } = selection;
  if (states.includes(gate)) return { of: 'state', state: gate, sample, layer, direction, step, unit };
  return { of: 'gate', gate, sample, layer, direction, step, unit };
}

/** What pinning an address changes in the selection. */
export function selectionOf(address: Address): Partial<Selection> {
  switch (address.of) {
    case 'x':
      return { sample: address.sample, step: address.step };
    case 'gate': {
      const { sample, layer, direction, step, unit } = address;
      return { sample, layer, direction, step, unit, gate: address.gate.replace(/_pre$/, '') };
    }
    case 'state': {
      const { sample, layer, direction, step, unit, state } = address;
      return { sample, layer, direction, unit, gate: state, ...(step === 'start' ? {} : { step }) };
    }
    case 'weight':
      // The head's parameters are at layer −1: they belong to no recurrent layer.
      return address.layer < 0 ? {} : { layer: address.layer, direction: address.direction };
    case 'answer':
      return { sample: address.sample };
  }
}

/** A pinned number follows when the selection moves on to another time, sample, unit or gate. */
export function follow(address: Address, change: Partial<Selection>, to: Selection, states: string[]): Address {
  switch (address.of) {
    case 'x':
      return { ...address, sample: to.sample, step: to.step };
    case 'gate':
    case 'state':
      return followPart(address, change, addressOf(to, states));
    case 'weight':
      return address;
    case 'answer':
      return { ...address, sample: to.sample };
  }
}

/** Keeps what the selection cannot say: "before the nonlinearity", and the initial state. */
function followPart(from: Address, change: Partial<Selection>, to: Address): Address {
  if (from.of === 'gate' && to.of === 'gate' && from.gate.endsWith('_pre')) return { ...to, gate: `${to.gate}_pre` };
  const atStart = from.of === 'state' && from.step === 'start' && change.step === undefined;
  return atStart && to.of === 'state' ? { ...to, step: 'start' } : to;
}
