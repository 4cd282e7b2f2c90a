import { describe, expect, it } from 'vitest';
import { decodePage } from '../src/decode';
import type { NetworkDocument } from '../src/document';
import { traps } from '../src/engine/traps';
import { explain } from '../src/engine/sums';
import type { Address } from '../src/engine/types';
import { load } from './load';
import { encode, networkDocument } from './synthetic';

const page = { schema: 'unrolled-page/1' as const, title: '', made_with: { unrolled: '', torch: '' }, names: {} };
const open = (network: NetworkDocument) => decodePage({ ...page, networks: [network], purpose: 'model' }).networks[0]!;

/** A network of which the page holds samples 0 and 9, steps 0, 4 and 7, features 0 and 2, units 0, 3 and 5. */
function large() {
  const whole = networkDocument('GRU', { layers: 1, hidden: 3, time: 3, feature: 2, batch: 2 });
  const settings = { ...whole.trace.settings, hidden_size: 6 };
  return open({
    ...whole,
    sizes: { batch: 10, time: 8, feature: 3 },
    shown: { batch: [0, 9], time: [0, 4, 7], feature: [0, 2], hidden: [[0, 3, 5]] },
    trace: {
      ...whole.trace,
      settings,
      parts: whole.trace.parts.map((part) => ({
        ...part,
        arrays: {
          ...part.arrays,
          inputs: encode([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [3, 2, 2], ['time', 'batch', 'feature']),
        },
      })),
      lengths: encode([8, 5], [2], ['batch']),
    },
    weights: [],
    inputs: null,
    initial: [],
    computes: 'It is too large.',
    head: {
      reads: 'output',
      layers: [],
      output: encode([0, 1, 2, 3, 4, 5], [2, 3, 1], ['batch', 'time', 'output']),
      feedback: null,
      unscale: null,
      labels: [],
    },
  });
}

describe('what the page holds of a large network', () => {
  const network = large();
  const h = network.parts[0]!.arrays.h!;
  const state = { of: 'state', state: 'h', layer: 0, direction: 'forward' } as const;

  it('is found by the indices of the user’s own batch', () => {
    const { shown } = network;
    for (const [n, sample] of shown.batch.entries()) {
      for (const [t, step] of shown.time.entries()) {
        for (const [j, unit] of shown.hidden[0]!.entries()) {
          const expected = step < network.lengths(sample) ? h.at(t, n, j) : undefined;
          expect(network.stored(sample).value({ ...state, sample, step, unit })).toBe(expected);
        }
      }
    }
    expect(network.stored(9).value({ of: 'x', sample: 9, step: 4, feature: 2 })).toBe(7);
    expect(network.stored(9).value({ of: 'answer', sample: 9, index: [4, 0] })).toBe(4);
  });

  it('is all there is', () => {
    const stored = network.stored(0);
    const missing: Address[] = [
      { ...state, sample: 0, step: 1, unit: 0 },
      { ...state, sample: 0, step: 0, unit: 1 },
      { of: 'x', sample: 0, step: 0, feature: 1 },
      { of: 'answer', sample: 0, index: [1, 0] },
      { of: 'weight', name: 'weight_ih', layer: 0, direction: 'forward', row: 0, column: 0 },
    ];
    for (const address of missing) expect(stored.value(address)).toBeUndefined();
    expect(network.stored(3).value({ ...state, sample: 3, step: 0, unit: 0 })).toBeUndefined();
    expect(
      explain(network, stored, { of: 'gate', gate: 'z', sample: 0, layer: 0, direction: 'forward', step: 4, unit: 3 }),
    ).toBeNull();
  });

  it('shows traps with the numbers there are', () => {
    const [last, , , none] = traps(network, network.stored(0));
    expect(last).toMatchObject({ applies: true, sample: 9, wrong: [0, 0, 0] });
    expect(last!.right).toEqual([0, 1, 2].map((j) => h.at(1, 1, j)));
    expect(none!.why).toBe('trap.no_lengths.not.computed');
  });
});

describe('an sLSTM', () => {
  it('is shown, but neither computed nor explained', () => {
    const { document } = load('lstm');
    const [first] = document.networks as [NetworkDocument];
    const parts = first.trace.parts.map((part) => {
      const { h_0: start, c } = part.arrays;
      return { ...part, arrays: { ...part.arrays, n: c!, m: c!, n_0: start!, m_0: start! } };
    });
    const network = open({ ...first, trace: { ...first.trace, kind: 'SLSTM', parts }, computes: 'no' });
    expect([network.gates, network.states]).toEqual([
      ['i', 'f', 'g', 'o'],
      ['h', 'c', 'n', 'm'],
    ]);
    const at = { sample: 0, layer: 0, direction: 'forward', step: 1, unit: 1 } as const;
    const stored = network.stored(0);
    expect(stored.value({ of: 'state', state: 'n', ...at })).toBe(stored.value({ of: 'state', state: 'c', ...at }));
    expect(explain(network, stored, { of: 'gate', gate: 'i', ...at })).toBeNull();
  });
});
