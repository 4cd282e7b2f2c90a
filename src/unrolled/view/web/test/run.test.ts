import { describe, expect, it } from 'vitest';
import { compute, computeAsync, cost } from '../src/engine/run';
import type { Address } from '../src/engine/types';
import { addresses, load, names, NOTHING } from './load';
import { network } from './synthetic';

describe.each(names)('%s', (name) => {
  const { network, cases } = load(name);
  const recordedTo = network.parts[0]!.arrays.h!.data instanceof Float64Array ? 1e-10 : 1e-5;

  it('is one that Python lets the page compute', () => {
    expect(network.computes).toBeNull();
  });

  it.each(network.shown.batch)('gives the numbers that Python recorded of sample %i', (sample) => {
    const [stored, run] = [network.stored(sample), compute(network, sample, NOTHING)];
    let count = 0;
    for (const address of addresses(network, sample)) {
      const known = stored.value(address);
      const computed = run.value(address);
      if (known === undefined) expect(computed, JSON.stringify(address)).toBeUndefined();
      else expect(Math.abs(computed! - known), JSON.stringify(address)).toBeLessThan(recordedTo);
      count++;
    }
    expect(count).toBeGreaterThan(0);
  });

  it.each(cases.map((one) => [one.name, one] as const))('computes %s', (_, { sample, edits, expected, answer }) => {
    compute(network, sample, NOTHING);
    const run = compute(network, sample, edits);
    for (const [part, gates] of Object.entries(expected ?? {})) {
      const [layer, direction] = part.split(' ') as [string, 'forward' | 'reverse'];
      for (const [gate, steps] of Object.entries(gates)) {
        const at = { sample, layer: Number(layer), direction };
        steps.forEach((units, step) =>
          units.forEach((value, unit) => {
            const address: Address = network.states.includes(gate)
              ? { of: 'state', state: gate, ...at, step, unit }
              : { of: 'gate', gate, ...at, step, unit };
            expect(run.value(address), JSON.stringify(address)).toBeCloseTo(value, 10);
          }),
        );
      }
    }
    if (answer) {
      expect(run.answer.length).toBe(answer.flat().length);
      answer.flat().forEach((value, k) => expect(run.answer[k]).toBeCloseTo(value, 10));
    }
  });

  it('gives the same from an edited step on as from the beginning', async () => {
    for (const { sample, edits } of cases) {
      compute(network, sample, NOTHING);
      const short = compute(network, sample, edits);
      const whole = await computeAsync(load(name).network, sample, edits);
      for (const address of addresses(network, sample)) expect(short.value(address)).toBe(whole.value(address));
      expect(short.answer).toEqual(whole.answer);
    }
  });
});

describe('a run', () => {
  const { network } = load('gru');

  it('has no numbers of padding, of other samples, and outside the layer', () => {
    const run = compute(network, 1, NOTHING);
    const at = { of: 'state', state: 'h', sample: 1, layer: 0, direction: 'forward', unit: 0 } as const;
    expect(run.value({ ...at, step: 3 })).toBeTypeOf('number');
    expect(run.value({ ...at, step: 4 })).toBeUndefined();
    expect(run.value({ ...at, step: 3, sample: 0 })).toBeUndefined();
    expect(run.value({ ...at, step: 3, unit: 4 })).toBeUndefined();
    expect(run.value({ of: 'x', sample: 1, step: 4, feature: 0 })).toBeUndefined();
  });

  it('leaves the numbers without edits as they were', () => {
    const before = compute(network, 0, NOTHING);
    const address: Address = { of: 'x', sample: 0, step: 0, feature: 0 };
    const x = before.value(address)!;
    compute(network, 0, { ...NOTHING, values: new Map([['x', { address, value: x + 1 }]]) });
    expect(compute(network, 0, NOTHING)).toBe(before);
    expect(before.value(address)).toBe(x);
  });

  it('says how much work it is', () => {
    // Two layers: 12 · (3 + 4) and 12 · (4 + 4) weights, 24 biases each; six steps.
    expect(cost(network)).toBe(6 * (12 * 7 + 24 + (12 * 8 + 24)));
  });
});

describe('a large network', () => {
  const large = network('LSTM', { layers: 2, hidden: 64, time: 900, feature: 8 });

  it('is computed in slices, between which the page answers, and can be stopped', async () => {
    const shares: number[] = [];
    const run = await computeAsync(large, 0, NOTHING, (share) => shares.push(share));
    expect(shares.length).toBeGreaterThan(3);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBeLessThanOrEqual(1);
    const at: Address = { of: 'state', state: 'h', sample: 0, layer: 1, direction: 'forward', step: 899, unit: 63 };
    expect(run.value(at)).toBe(compute(large, 0, NOTHING).value(at));
    const stop = new AbortController();
    const other = network('LSTM', { layers: 2, hidden: 64, time: 900, feature: 8 });
    const work = computeAsync(other, 0, NOTHING, () => stop.abort(), stop.signal);
    await expect(work).rejects.toThrow('abort');
  });
});
