import { describe, expect, it } from 'vitest';
import {
  addressOf,
  beginning,
  fit,
  follow,
  nearest,
  selectionOf,
  validSteps,
  wholeExtent,
} from '../src/shell/selection';
import type { Address, Selection } from '../src/engine/types';
import { addresses, load } from './load';

const { network } = load('lstm');
const projected = load('projected').network;
const HERE: Selection = { sample: 0, layer: 0, direction: 'forward', step: 1, unit: 2, gate: 'f' };

/** A network of which only some indices are on the page. */
function sampled() {
  return {
    layers: 1,
    sizes: { time: 100 },
    shown: { batch: [0, 7], time: [0, 25, 50, 75, 99], hidden: [[0, 30, 63]] },
    widths: () => 64,
    stateWidth: (_: number, state: string) => (state === 'h' ? 40 : 64),
    directionsOf: (): ['forward'] => ['forward'],
    gatesOf: () => ['f'],
    statesOf: () => ['h', 'c'],
    lengths: (sample: number) => (sample === 7 ? 60 : 100),
  };
}

describe('fitting a selection', () => {
  it('never leaves the network', () => {
    const wild: Selection = { sample: 99, layer: 99, direction: 'reverse', step: 99, unit: 99, gate: 'nonsense' };
    const fitted = fit(network, wild);
    expect(network.shown.batch).toContain(fitted.sample);
    expect(fitted.layer).toBe(network.layers - 1);
    expect(fitted.step).toBe(Math.max(0, network.lengths(fitted.sample) - 1));
    expect(fitted.unit).toBe(network.widths(fitted.layer) - 1);
    expect(network.gatesOf(fitted.layer)).toContain(fitted.gate);
  });

  it('stays out of padding', () => {
    const short = network.shown.batch.find((sample) => network.lengths(sample) < network.sizes.time)!;
    expect(fit(network, { ...HERE, sample: short, step: network.sizes.time - 1 }).step).toBe(
      network.lengths(short) - 1,
    );
  });

  it('takes the nearest of what a sampled page holds, and anything once all of it is computed', () => {
    const wish = { ...HERE, sample: 7, step: 70, unit: 40 };
    expect(fit(sampled(), wish)).toMatchObject({ sample: 7, step: 50, unit: 30 });
    expect(fit(wholeExtent(sampled()), wish)).toMatchObject({ sample: 7, step: 59, unit: 40 });
    expect(validSteps(sampled(), 7)).toEqual([0, 25, 50]);
  });

  it('gives a projected h only the units it has', () => {
    const width = projected.outputWidth(0);
    expect(width).toBeLessThan(projected.widths(0));
    expect(fit(projected, { ...HERE, unit: 99, gate: 'h' }).unit).toBe(width - 1);
    expect(fit(projected, { ...HERE, unit: 99, gate: 'c' }).unit).toBe(projected.widths(0) - 1);
  });

  it('begins where there are numbers', () => {
    const start = beginning(network);
    expect(network.stored(start.sample).value(addressOf(start, network.states))).toBeTypeOf('number');
  });
});

describe('a pinned number', () => {
  it('moves the selection to itself, whichever it is', () => {
    for (const address of addresses(network, 0)) {
      if (address.of === 'state' && address.step === 'start') continue;
      if (address.of !== 'gate' && address.of !== 'state') continue;
      const selection = fit(network, { ...HERE, ...selectionOf(address) });
      const plain: Address = address.of === 'gate' ? { ...address, gate: address.gate.replace('_pre', '') } : address;
      expect(addressOf(selection, network.states)).toEqual(plain);
    }
  });

  it('of the head leaves layer and direction alone', () => {
    const weight: Address = { of: 'weight', name: 'head.0.weight', layer: -1, direction: 'forward', row: 0, column: 0 };
    expect(selectionOf(weight)).toEqual({});
  });

  it('follows when time moves on', () => {
    const to = { ...HERE, step: 2 };
    const pre: Address = { of: 'gate', ...HERE, gate: 'f_pre' };
    expect(follow(pre, { step: 2 }, to, ['h', 'c'])).toMatchObject({ of: 'gate', gate: 'f_pre', step: 2 });
    const x: Address = { of: 'x', sample: 0, step: 1, feature: 2 };
    expect(follow(x, { step: 2 }, to, ['h', 'c'])).toEqual({ ...x, step: 2 });
  });

  it('stays an initial state until time moves', () => {
    const { gate, ...place } = HERE;
    const start: Address = { of: 'state', state: 'h', ...place, step: 'start' };
    expect(gate).toBe('f');
    const unit = { ...HERE, gate: 'h', unit: 0 };
    expect(follow(start, { unit: 0 }, unit, ['h', 'c'])).toMatchObject({ state: 'h', step: 'start', unit: 0 });
    expect(follow(start, { step: 2 }, { ...unit, step: 2 }, ['h', 'c'])).toMatchObject({ state: 'h', step: 2 });
  });

  it('becomes a state when a state is chosen in place of a gate', () => {
    const gate: Address = { of: 'gate', ...HERE };
    expect(follow(gate, { gate: 'c' }, { ...HERE, gate: 'c' }, ['h', 'c'])).toMatchObject({ of: 'state', state: 'c' });
  });
});

it('the nearest of a list is found on both sides', () => {
  expect([nearest([0, 10, 20], 14), nearest([0, 10, 20], 16), nearest([], 3)]).toEqual([10, 20, 0]);
});
