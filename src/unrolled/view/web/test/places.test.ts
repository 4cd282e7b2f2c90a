import { describe, expect, it } from 'vitest';
import { canonical, key, places, sources } from '../src/engine/places';
import { compute } from '../src/engine/run';
import type { Address } from '../src/engine/types';
import { evaluate } from './evaluate';
import { addresses, load, names, NOTHING, returned } from './load';

describe.each(names)('%s', (name) => {
  const fixture = load(name);
  const { network } = fixture;
  const all = network.shown.batch.flatMap((sample) => [...addresses(network, sample)]);

  it('knows every number by one address and one key', () => {
    const byKey = new Map<string, Address>();
    for (const address of all) {
      const known = canonical(network, address);
      expect(canonical(network, known)).toEqual(known);
      const before = byKey.get(key(known));
      if (before) expect(before).toEqual(known);
      byKey.set(key(known), known);
    }
    // An RNN's gate h is its state: as many numbers fewer.
    const twice = network.kind === 'RNN' ? network.lengths(0) * network.widths(0) : 0;
    expect(byKey.size).toBe(all.length - twice);
  });

  it('gives code that evaluates to the number', () => {
    const tensors = returned(fixture);
    const found = { output: 0, h_n: 0, c_n: 0, x: 0, parameter: 0, answer: 0 };
    const each = new Map(all.map((one) => canonical(network, one)).map((one) => [key(one), one])).values();
    for (const address of each) {
      for (const place of places(network, address)) {
        found[place.tensor]++;
        if (address.of !== 'state') continue;
        const { values } = evaluate(place.code, tensors);
        expect(values, place.code).toHaveLength(1);
        expect(values[0], place.code).toBeCloseTo(network.stored(address.sample).value(address)!, 6);
      }
    }
    const steps = network.shown.batch.reduce((sum, sample) => sum + network.lengths(sample), 0);
    const width = network.outputWidth(network.layers - 1) * network.directions.length;
    const rows = network.parts.reduce((sum, { layer }) => sum + network.outputWidth(layer), 0);
    const cells = network.parts.reduce((sum, { layer }) => sum + network.widths(layer), 0);
    expect(found.output).toBe(name === 'normalised' ? 0 : steps * width * network.directions.length);
    // Samples without a step end as they began: they have a place in h_n too.
    expect(found.h_n).toBe(network.shown.batch.length * rows);
    expect(found.c_n).toBe(network.kind === 'LSTM' ? network.shown.batch.length * cells : 0);
  });

  it('finds what a layer reads', () => {
    const run = compute(network, 0, NOTHING);
    for (let layer = 0; layer < network.layers; layer++) {
      for (let step = 0; step < network.lengths(0); step++) {
        for (let column = 0; column < network.inputWidth(layer); column++) {
          const parts = sources(network, layer, 0, step, column).map((address) => run.value(address)!);
          const recorded = network.part(layer, 'forward').arrays.inputs!.at(step, 0, column);
          expect(parts.reduce((a, b) => a + b)).toBeCloseTo(recorded!, 5);
        }
      }
    }
  });
});

describe('places', () => {
  const state = (name: (typeof names)[number], at: Partial<Extract<Address, { of: 'state' }>>) => {
    const { network } = load(name);
    const whole = { of: 'state', state: 'h', sample: 0, layer: 1, direction: 'forward', step: 0, unit: 1 } as const;
    return places(network, { ...whole, ...at }).map((place) => place.code);
  };

  it('follow the layout', () => {
    expect(state('lstm', { step: 3 })).toEqual(['output[0, 3, 1]', 'output[..., :3][0, 3, 1]']);
    expect(state('gru', { step: 3 })).toEqual(['output[3, 0, 1]']);
    expect(state('rnn', { layer: 0, step: 3 })).toEqual(['output[3, 1]']);
    expect(state('lstm', { layer: 0, step: 3 })).toEqual([]);
  });

  it('are in h_n and c_n only where a direction ends', () => {
    expect(state('lstm', { direction: 'reverse' })).toEqual([
      'output[0, 0, 4]',
      'output[..., 3:][0, 0, 1]',
      'h_n[3, 0, 1]',
    ]);
    expect(state('lstm', { sample: 1, layer: 0, step: 1 })).toEqual(['h_n[0, 1, 1]']);
    expect(state('lstm', { state: 'c', layer: 0, step: 4 })).toEqual(['c_n[0, 0, 1]']);
    expect(state('lstm', { sample: 2, step: 'start' })).toEqual(['h_n[2, 2, 1]']);
    expect(state('widths', { sample: 1, direction: 'reverse' })).toContain('h_n[1][1, 1, 1]');
    expect(state('rnn', { layer: 0, step: 4 })).toContain('h_n[0, 1]');
  });

  it('name parameters and inputs', () => {
    const { network } = load('lstm');
    const weight = { of: 'weight', name: 'weight_ih', layer: 1, direction: 'reverse', row: 7, column: 2 } as const;
    expect(places(network, weight)[0]!.code).toBe('model.weight_ih_l1_reverse[7, 2]');
    expect(places(network, { ...weight, name: 'bias_hh', column: null })[0]!.code).toBe('model.bias_hh_l1_reverse[7]');
    expect(places(network, { of: 'x', sample: 2, step: 4, feature: 1 })[0]!.code).toBe('x[2, 4, 1]');
    expect(places(load('gru').network, { of: 'x', sample: 1, step: 4, feature: 0 })[0]!.code).toBe('x[4, 1, 0]');
    const inner = Object.assign(load('lstm').network, { name: 'layers.0' });
    expect(places(inner, weight)[0]!.code).toBe('model.get_submodule("layers.0").weight_ih_l1_reverse[7, 2]');
  });

  it('name the answer', () => {
    expect(places(load('lstm').network, { of: 'answer', sample: 1, index: [1] })[0]!.code).toBe('model(x)[1, 1]');
    expect(places(load('projected').network, { of: 'answer', sample: 1, index: [3, 0] })[0]!.code).toBe(
      'model(x)[3, 1, 0]',
    );
  });
});

describe('canonical', () => {
  it('puts what lies before the first step at the start', () => {
    const { network } = load('lstm');
    const at = { of: 'state', state: 'h', sample: 1, layer: 0, unit: 0 } as const;
    expect(canonical(network, { ...at, direction: 'forward', step: -1 })).toMatchObject({ step: 'start' });
    expect(canonical(network, { ...at, direction: 'reverse', step: 2 })).toMatchObject({ step: 'start' });
    expect(canonical(network, { ...at, direction: 'forward', step: 2 })).toMatchObject({ step: 2 });
  });

  it('knows that a forecaster reads its own forecasts', () => {
    const { network } = load('forecaster');
    const run = compute(network, 1, NOTHING);
    for (let step = 4; step < 7; step++) {
      const x: Address = { of: 'x', sample: 1, step, feature: 0 };
      const answer = canonical(network, x);
      expect(answer).toEqual({ of: 'answer', sample: 1, index: [step - 4, 1] });
      expect(run.value(answer)).toBe(run.value(x));
      expect(run.value({ ...x, feature: 1 })).toBe(1);
    }
  });
});
