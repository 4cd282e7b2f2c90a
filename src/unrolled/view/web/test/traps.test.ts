import { describe, expect, it } from 'vitest';
import { compute, computeWithLength } from '../src/engine/run';
import { traps, type Trap, type TrapName } from '../src/engine/traps';
import { isKey, translate } from '../src/text';
import { evaluate } from './evaluate';
import { load, names, NOTHING, returned } from './load';

type Name = (typeof names)[number];

function trap(fixture: Name, name: TrapName, sample = 0): Trap {
  const { network } = load(fixture);
  return traps(network, network.stored(sample)).find((one) => one.name === name)!;
}

/** What a code gives for one sample, on the very tensors that PyTorch returned. */
function run(fixture: Name, code: string, sample: number): number[] {
  const { shape, values } = evaluate(code, returned(load(fixture)));
  const each = values.length / shape[0]!;
  return values.slice(sample * each, (sample + 1) * each);
}

function expectEqual(given: number[], expected: number[]): void {
  expect(given).toHaveLength(expected.length);
  given.forEach((value, k) => expect(value).toBeCloseTo(expected[k]!, 6));
}

describe.each(names)('%s', (fixture) => {
  it.each(load(fixture).network.shown.batch)('gives the numbers of the code it shows, for sample %i', (sample) => {
    const { network } = load(fixture);
    for (const one of traps(network, network.stored(sample))) {
      expect(one.applies).toBe(one.why === null);
      if (one.why) expect(isKey(one.why)).toBe(true);
      if (!one.applies || one.name === 'no_lengths') continue;
      expectEqual(one.wrong, run(fixture, one.wrongCode, one.sample));
      expectEqual(one.right, run(fixture, one.rightCode, one.sample));
      expect(one.addresses.length).toBeGreaterThan(0);
    }
  });
});

describe('the last step', () => {
  it('is padding of short samples', () => {
    const one = trap('gru', 'last_step', 1);
    expect([one.wrongCode, one.rightCode]).toEqual(['output[-1]', 'h_n[-1]']);
    expect(one.wrong).toEqual([0, 0, 0, 0]);
    expect(Math.max(...one.right.map(Math.abs))).toBeGreaterThan(0.01);
  });

  it('is shown on a short sample when the chosen one is full', () => {
    expect(trap('lstm', 'last_step', 0).sample).toBe(1);
    expect(trap('lstm', 'last_step', 0)).toMatchObject({ wrongCode: 'output[:, -1, :3]', rightCode: 'h_n[-2]' });
  });

  it('is right where nothing is padded', () => {
    expect(trap('coupled', 'last_step')).toMatchObject({ applies: false, why: 'trap.not.padded' });
    expect(trap('rnn', 'last_step')).toMatchObject({ applies: false, why: 'trap.not.batch' });
  });
});

describe('the backward half', () => {
  it('has read one step at the end', () => {
    const full = trap('lstm', 'backward_half', 0);
    expect([full.wrongCode, full.rightCode]).toEqual(['output[:, -1, 3:]', 'h_n[-1]']);
    const short = trap('lstm', 'backward_half', 1);
    expect(short.wrongCode).toBe('output[torch.arange(N), lengths - 1, 3:]');
    expect(trap('widths', 'backward_half', 1).rightCode).toBe('h_n[-1][-1]');
    expect(full.wrong).not.toEqual(full.right);
  });

  it('needs two directions and two steps', () => {
    expect(trap('gru', 'backward_half').why).toBe('trap.backward_half.not.one');
    expect(trap('lstm', 'backward_half', 2).why).toBe('trap.backward_half.not.short');
  });
});

describe('reshaping', () => {
  it('mixes samples', () => {
    const one = trap('lstm', 'reshape', 1);
    expect(one.wrongCode).toBe('h_n.reshape(3, -1)');
    const others = one.addresses.map((address) => (address as { sample: number }).sample);
    expect(new Set(others)).toEqual(new Set([0, 1, 2]));
  });

  it('mixes nothing where there is one row, one sample or a tuple', () => {
    expect(trap('coupled', 'reshape').why).toBe('trap.reshape.not.row');
    expect(trap('rnn', 'reshape').why).toBe('trap.reshape.not.one');
    expect(trap('widths', 'reshape').why).toBe('trap.reshape.not.tuple');
  });
});

describe('padding without lengths', () => {
  it('is read as data', () => {
    const { network } = load('gru');
    const one = trap('gru', 'no_lengths', 1);
    expect(one.wrongCode).toBe('_, h_n = model(x); h_n[-1]');
    expect(one.rightCode).toBe('_, h_n = model(x, lengths=lengths); h_n[-1]');
    const whole = computeWithLength(network, 1, NOTHING, 6);
    const at = { of: 'state', state: 'h', sample: 1, layer: 1, direction: 'forward', step: 5 } as const;
    expect(one.wrong).toEqual([0, 1, 2, 3].map((unit) => whole.value({ ...at, unit })));
    expectEqual(one.right, run('gru', 'h_n[-1]', 1));
    expect(whole.value({ ...at, unit: 0 })).not.toBeCloseTo(one.right[0]!, 3);
  });

  it('speaks of packing where the layer is PyTorch’s own', () => {
    const { network } = load('lstm');
    const foreign = Object.assign(network, { source: 'torch.nn.LSTM', name: 'encoder' });
    expect(traps(foreign, network.stored(1))[3]!.rightCode).toBe(
      '_, (h_n, _) = model.encoder(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)); h_n[-1]',
    );
  });

  it('counts the user’s edits in', () => {
    const { network, cases } = load('gru');
    const edited = compute(network, 1, cases.find((one) => one.sample === 1 && one.edits.values.size > 0)!.edits);
    const [before, after] = [network.stored(1), edited].map((one) => traps(network, one)[3]!);
    expect(after!.wrong).not.toEqual(before!.wrong);
    expect(after!.right).not.toEqual(before!.right);
  });
});

it('is told in words without gaps', () => {
  const one = trap('lstm', 'last_step', 0);
  const text = translate('en')('trap.last_step.text', one.values);
  expect(text).toContain('Sample Lagos ends after 2 of 5 steps');
  expect(text).not.toMatch(/[{}]/);
});
