import { describe, expect, it } from 'vitest';
import { key } from '../src/engine/places';
import { compute } from '../src/engine/run';
import type { Address } from '../src/engine/types';
import { answerOf, apart, changeOf, largestChange, linesOf, rangeOf, scale, ticks } from '../src/shell/answer';
import { count, noEdits, withClamp, withoutClamp, withoutValue, withValue, type Clamp } from '../src/shell/edits';
import { leftOut } from '../src/shell/left';
import { around, gateRange, inputRange } from '../src/shell/range';
import { translate } from '../src/text';
import { load } from './load';

const X: Address = { of: 'x', sample: 0, step: 1, feature: 0 };
const CLAMP: Clamp = { layer: 0, direction: 'forward', gate: 'f', unit: null, step: 2, value: 0 };

describe('edits', () => {
  it('never change what was there before', () => {
    const none = noEdits();
    const one = withValue(none, key(X), X, 3);
    const two = withClamp(one, CLAMP);
    withoutValue(two, key(X));
    withoutClamp(two, CLAMP);
    expect([none.values.size, one.values.size, one.clamps.length, two.clamps.length]).toEqual([0, 1, 0, 1]);
  });

  it('of one scope replace one another, those of another scope do not', () => {
    const twice = withClamp(withClamp(noEdits(), CLAMP), { ...CLAMP, value: 1 });
    expect(twice.clamps).toEqual([{ ...CLAMP, value: 1 }]);
    for (const other of [{ step: null }, { unit: 0 }, { gate: 'i' }, { layer: 1 }, { direction: 'reverse' as const }]) {
      expect(withClamp(twice, { ...CLAMP, ...other }).clamps).toHaveLength(2);
    }
  });

  it('count for the samples they reach', () => {
    const edits = withClamp(withValue(noEdits(), key(X), X, 3), CLAMP);
    expect([count(edits, 0), count(edits, 1)]).toEqual([2, 1]);
  });
});

describe('the answer', () => {
  const { network } = load('forecaster');
  const sample = network.shown.batch[0]!;

  it('is in the user’s own units, with the names of its numbers', () => {
    const stored = network.stored(sample);
    const numbers = answerOf(network, sample, stored, stored);
    const { scale, location } = network.head!.unscale!;
    expect(numbers.length).toBe(network.head!.output.shape.slice(1).reduce((a, b) => a * b, 1));
    numbers.forEach((one, k) => {
      const raw = network.head!.output.data[k]!;
      expect(one.before).toBeCloseTo(raw * scale.at(0)! + location.at(0)!, 10);
      expect(one.now).toBe(one.before);
    });
    expect(largestChange(numbers)).toBeUndefined();
  });

  it('follows an edit, and says where it moved most', () => {
    const address: Address = { of: 'x', sample, step: network.lengths(sample) - 1, feature: 0 };
    const edits = withValue(noEdits(), key(address), address, 5);
    const numbers = answerOf(network, sample, compute(network, sample, noEdits()), compute(network, sample, edits));
    const changes = numbers.map((one) => Math.abs(one.now - one.before));
    const most = largestChange(numbers)!;
    expect(Math.abs(most.now - most.before)).toBe(Math.max(...changes));
    expect(Math.max(...changes)).toBeGreaterThan(0);
  });

  it('is empty where the page knows no head', () => {
    const plain = { ...load('gru').network, head: null } as unknown as typeof network;
    expect(answerOf(plain, 0, network.stored(sample), network.stored(sample))).toEqual([]);
  });

  it('has a range even when all its numbers are one', () => {
    expect(rangeOf([{ label: '', address: X, before: 2, now: 2 }])).toEqual([1.5, 2.5]);
  });
});

describe('a slider', () => {
  it('reaches as far as the nonlinearity does', () => {
    expect([gateRange('LSTM', 'f'), gateRange('LSTM', 'g'), gateRange('GRU', 'n'), gateRange('GRU', 'z')]).toEqual([
      [0, 1],
      [-1, 1],
      [-1, 1],
      [0, 1],
    ]);
  });

  it('always holds the number as it was', () => {
    expect([around([0, 1], 4.2), around([0, 1], -0.1), around([0, 1], 0.5)]).toEqual([
      [0, 5],
      [-1, 1],
      [0, 1],
    ]);
  });

  it('holds every value of its feature', () => {
    const { network } = load('lstm');
    for (let feature = 0; feature < network.sizes.feature; feature++) {
      const [low, high] = inputRange(network, feature);
      for (const sample of network.shown.batch) {
        for (let step = 0; step < network.lengths(sample); step++) {
          const value = network.inputs!.at(network.shown.batch.indexOf(sample), step, feature)!;
          expect(value > low && value < high).toBe(true);
        }
      }
    }
  });
});

describe('what is left out', () => {
  const t = translate('en');
  const all = {
    sizes: { batch: 2, time: 3, feature: 1 },
    shown: { batch: [0, 1], time: [0, 1, 2], feature: [0], hidden: [[0, 1], [0]] },
    layers: 2,
    widths: (layer: number) => 2 - layer,
  };

  it('is nothing on a small page', () => {
    expect(leftOut(all, t)).toEqual([]);
  });

  it('is said with its numbers, axis by axis', () => {
    const shown = { ...all.shown, time: [0, 2], hidden: [[1], [0]] };
    expect(leftOut({ ...all, shown }, t)).toEqual(['2 of 3 steps', '1 of 2 units in layer 0']);
  });
});

describe('an axis', () => {
  it('has round marks that hold the range', () => {
    expect(ticks([0, 13.57], 4)).toEqual([0, 5, 10, 15]);
    expect(ticks([0.21, 0.58], 4)).toEqual([0.2, 0.3, 0.4, 0.5, 0.6]);
    expect(ticks([-3, 3], 4)).toEqual([-4, -2, 0, 2, 4]);
  });

  it('takes its ends to its ends', () => {
    const along = scale([-2, 6], [100, 20]);
    expect([along(-2), along(2), along(6)]).toEqual([100, 60, 20]);
  });
});

it('a change of the last bits is none', () => {
  const one = { label: '', address: X, before: -0.05, now: -0.05 - 7e-18 };
  expect([changeOf(one), largestChange([one])]).toEqual([0, undefined]);
  expect(changeOf({ ...one, now: -0.05 - 1e-9 })).toBeCloseTo(-1e-9, 15);
});

describe('the lines of a chart', () => {
  it('are as many as the answer gives numbers at each step', () => {
    const { head } = load('forecaster').network;
    expect(linesOf(load('forecaster').network)).toBe(head!.output.shape.at(-1));
    expect(linesOf(load('lstm').network)).toBe(1);
  });

  it('have only labels that do not touch', () => {
    expect(apart([{ y: 0 }, { y: 5 }, { y: 14 }, { y: 20 }, { y: 30 }], 14)).toEqual([{ y: 0 }, { y: 14 }, { y: 30 }]);
  });
});
