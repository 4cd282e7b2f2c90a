import formulas from 'virtual:formulas';
import { describe, expect, it } from 'vitest';
import { compute } from '../src/engine/run';
import { explain } from '../src/engine/sums';
import type { Address, Run, Sum } from '../src/engine/types';
import { answerIndex, answerSizes, key } from '../src/engine/places';
import type { Network } from '../src/engine/network';
import { addresses, load, names, NOTHING } from './load';

const APPLY: Record<string, (x: number) => number> = {
  identity: (x) => x,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  relu: (x) => Math.max(0, x),
  softsign: (x) => x / (1 + Math.abs(x)),
  hard_sigmoid: (x) => Math.min(1, Math.max(0, 0.16 * x + 0.5)),
};

/** What the terms make, by the sum's own account. */
function made({ terms, nonlinearity, bound = Infinity }: Sum): number {
  const total = terms.reduce((sum, { leftValue, rightValue, factor }) => {
    return sum + leftValue * rightValue * (factor?.value ?? 1);
  }, 0);
  return APPLY[nonlinearity]!(Math.min(bound, Math.max(-bound, total)));
}

function* answers(network: Network, sample: number): Generator<Address> {
  const count = network.head ? answerSizes(network).reduce((a, b) => a * b, 1) : 0;
  for (let flat = 0; flat < count; flat++) yield { of: 'answer', sample, index: answerIndex(network, flat) };
}

function check(network: Network, run: Run, address: Address): void {
  const sum = explain(network, run, address);
  const name = JSON.stringify(address);
  if (address.of === 'x' || (address.of === 'state' && address.step === 'start')) {
    expect(sum, name).toBeNull();
    return;
  }
  expect(sum, name).not.toBeNull();
  expect(sum!.value).toBe(run.value(address));
  expect(made(sum!), name).toBeCloseTo(sum!.value, 10);
  expect(formulas[sum!.formula], sum!.formula).toBeDefined();
}

describe.each(names)('%s', (name) => {
  const { network } = load(name);

  it.each(network.shown.batch)('explains every number of sample %i', (sample) => {
    const run = compute(network, sample, NOTHING);
    for (const address of addresses(network, sample)) {
      if (run.value(address) !== undefined) check(network, run, address);
    }
    for (const address of answers(network, sample)) check(network, run, address);
  });

  it('names factors that have the values it says', () => {
    const run = compute(network, network.shown.batch[0]!, NOTHING);
    const all = [...addresses(network, run.sample), ...answers(network, run.sample)];
    const terms = all.flatMap((address) => explain(network, run, address)?.terms ?? []);
    for (const { left, right, leftValue, rightValue, factor, label } of terms) {
      // A function of a factor, or a part of it, is told by the label.
      const changed = /tanh|softsign|1 -|^-|std/.test(label);
      if (left && !changed) expect(run.value(left), label).toBe(leftValue);
      if (right && !changed) expect(run.value(right), label).toBe(rightValue);
      if (factor?.address && !changed) expect(run.value(factor.address), label).toBe(factor.value);
    }
    expect(terms.length).toBeGreaterThan(0);
  });
});

describe('a sum', () => {
  const gate = { of: 'gate', gate: 'f', sample: 0, layer: 1, direction: 'reverse', step: 2, unit: 1 } as const;

  it('has exactly the terms of the equation', () => {
    const { network } = load('lstm');
    const sum = explain(network, compute(network, 0, NOTHING), gate)!;
    expect(sum.formula).toBe('lstm.f');
    expect(sum.nonlinearity).toBe('sigmoid');
    expect(sum.terms.map((term) => term.label)).toEqual([
      ...[0, 1, 2].map((k) => `weight_ih_l1_reverse[4, ${k}] * h_l0[t, ${k}]`),
      ...[0, 1, 2].map((k) => `weight_ih_l1_reverse[4, ${k + 3}] * h_l0_reverse[t, ${k}]`),
      'bias_ih_l1_reverse[4]',
      ...[0, 1, 2].map((k) => `weight_hh_l1_reverse[4, ${k}] * h[t+1, ${k}]`),
      'bias_hh_l1_reverse[4]',
    ]);
  });

  it('adds up to the stored number before the nonlinearity', () => {
    const { network } = load('lstm');
    const stored = network.stored(0);
    const pre = stored.value({ ...gate, gate: 'f_pre' })!;
    expect(explain(network, stored, gate)!.total).toBeCloseTo(pre, 5);
    expect(explain(network, stored, { ...gate, gate: 'f_pre' })!.total).toBeCloseTo(pre, 5);
  });

  it('begins with the initial state', () => {
    const { network } = load('lstm');
    const first = explain(network, compute(network, 1, NOTHING), { ...gate, sample: 1, step: 1 })!;
    expect(first.terms.at(-2)!.label).toBe('weight_hh_l1_reverse[4, 2] * h_0[2]');
  });

  it('says what the user set', () => {
    const { network } = load('lstm');
    const clamps = [{ layer: 1, direction: 'reverse' as const, gate: 'f', unit: null, step: null, value: 0.5 }];
    const run = compute(network, 0, { ...NOTHING, clamps });
    const sum = explain(network, run, gate)!;
    expect([sum.set, sum.value]).toEqual([true, 0.5]);
    expect(made(sum)).not.toBeCloseTo(0.5, 3);
    expect(explain(network, run, { ...gate, gate: 'i' })!.set).toBeUndefined();
  });

  it('tells the two places of a reset gate apart', () => {
    const at = { of: 'gate', gate: 'n', sample: 0, layer: 0, direction: 'forward', step: 1, unit: 2 } as const;
    const last = (name: 'gru' | 'gru_before') => {
      const { network } = load(name);
      return explain(network, compute(network, 0, NOTHING), at)!
        .terms.slice(-2)
        .map((term) => term.label);
    };
    expect(last('gru')).toEqual(['weight_hh_l0[10, 3] * h[t-1, 3] * r[t, 2]', 'bias_hh_l0[10] * r[t, 2]']);
    expect(last('gru_before')).toEqual(['weight_hh_l0[10, 3] * h[t-1, 3] * r[t, 3]', 'bias_hh_l0[10]']);
  });

  it('follows an answer back to the states that the head reads', () => {
    const { network } = load('lstm');
    const sum = explain(network, network.stored(0), { of: 'answer', sample: 0, index: [1] })!;
    const read = sum.terms.slice(0, -1).map((term) => key(term.right!));
    expect(read).toEqual([
      ...[0, 1, 2].map((unit) => `state h 1 forward 0 4 ${unit}`),
      ...[0, 1, 2].map((unit) => `state h 1 reverse 0 0 ${unit}`),
    ]);
  });

  it('follows a forecast back to the forecast before it', () => {
    const { network } = load('forecaster');
    const run = compute(network, 0, NOTHING);
    const at = { of: 'gate', gate: 'i', sample: 0, layer: 0, direction: 'forward', step: 5, unit: 0 } as const;
    const sum = explain(network, run, at)!;
    expect(made(sum)).toBeCloseTo(run.value(at)!, 10);
    expect(key(sum.terms[0]!.right!)).toBe('answer 0 1 1');
  });
});
