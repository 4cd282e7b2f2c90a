import { describe, expect, it } from 'vitest';
import { given, givenVector } from '../src/engine/head';
import { reading } from '../src/engine/reading';
import { compute } from '../src/engine/run';
import { evaluate } from './evaluate';
import { load, NOTHING, returned } from './load';

const TIME_FIRST = [
  'output[-1]',
  'output[-1:]',
  'output[0]',
  'output[0:1]',
  'output[lengths - 1, torch.arange(N)]',
  'output.mean(dim=0)',
  'output.amax(dim=0)',
  'output.sum(dim=0)',
  'output.sum(dim=0) / lengths[:, None]',
];
const BATCH_FIRST = [
  'output',
  'output[:, -1]',
  'output[:, -1:]',
  'output[:, 0]',
  'output[torch.arange(N), lengths - 1]',
  'output.mean(dim=1)',
  'output.amax(dim=1)',
  'output.sum(dim=1)',
  'output.sum(dim=1) / lengths[:, None]',
  'output.flatten(1)',
];
const STATES = [
  'h_n[-1]',
  'h_n[0]',
  'h_n[1]',
  'torch.cat([h_n[-2], h_n[-1]], dim=1)',
  'torch.cat([h_n[-1], h_n[-2]], dim=1)',
  'h_n[-2] + h_n[-1]',
  '(h_n[-2] + h_n[-1]) / 2',
  'h_n.transpose(0, 1)',
  'h_n.transpose(0, 1).flatten(1)',
];
const CELLS = STATES.map((code) => code.replaceAll('h_n', 'c_n'));
const WIDTHS = [
  'h_n[-1][-1]',
  'h_n[-1][0]',
  'torch.cat([h_n[-1][-2], h_n[-1][-1]], dim=1)',
  'h_n[-1].transpose(0, 1).flatten(1)',
];

/** The network of a fixture with another reading, and without dense layers: the answer is what is read. */
function reads(name: 'lstm' | 'gru' | 'widths' | 'projected', code: string) {
  const fixture = load(name);
  const { output } = load('lstm').network.head!;
  const head = { reads: code, layers: [], output, feedback: null, unscale: null, labels: [] };
  return { ...fixture, network: Object.assign(fixture.network, { head }) };
}

describe.each([
  ...BATCH_FIRST.map((code) => ['lstm', code] as const),
  ...STATES.map((code) => ['lstm', code] as const),
  ...CELLS.map((code) => ['projected', code] as const),
  ...TIME_FIRST.map((code) => ['gru', code] as const),
  ...WIDTHS.map((code) => ['widths', code] as const),
])('%s: %s', (name, code) => {
  const fixture = reads(name, code);
  const { network } = fixture;
  const whole = evaluate(code, returned(fixture));

  it.each(network.shown.batch)('reads what the code reads, for sample %i', (sample) => {
    const timeFirst = name === 'gru' && /[[(].*:/.test(code) && !code.includes('lengths');
    const perSample = whole.values.length / network.shown.batch.length;
    const expected = timeFirst
      ? whole.values.slice(sample * perSample, (sample + 1) * perSample)
      : whole.values.slice(sample * perSample, (sample + 1) * perSample);
    const run = compute(network, sample, NOTHING);
    expect(run.answer).toHaveLength(expected.length);
    expected.forEach((value, k) => expect(run.answer[k]).toBeCloseTo(value, 5));
  });

  it.each(network.shown.batch)('names the addresses that were read, for sample %i', (sample) => {
    const run = compute(network, sample, NOTHING);
    const rows =
      reading(network, network.lengths(sample))!.combine === 'each'
        ? reading(network, network.lengths(sample))!.picks.length
        : 1;
    for (let row = 0; row < rows; row++) {
      const named = given(network, sample, row);
      const vector = givenVector(network, run, row)!;
      if (!named) {
        expect(code).toMatch(/mean|amax|sum/);
        continue;
      }
      expect(named.columns).toHaveLength(vector.length);
      named.columns.forEach((addresses, k) => {
        const sum = addresses.reduce((all, address) => all + run.value(address)!, 0);
        expect(sum * named.scale).toBeCloseTo(vector[k]!, 10);
      });
    }
  });
});

describe('a reading that is not understood', () => {
  it.each(['output.transpose(1, 2)', 'output.flatten(0, 1)', 'output[:, 3]', 'h_n', 'output.std(dim=1)', 'x[:, -1]'])(
    '%s',
    (code) => {
      const { network } = reads('lstm', code);
      expect(reading(network, 5)).toBeNull();
      expect(compute(network, 0, NOTHING).answer).toHaveLength(0);
    },
  );
});
