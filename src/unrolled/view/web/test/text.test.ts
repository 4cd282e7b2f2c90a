import { describe, expect, it } from 'vitest';
import { sentence } from '../src/engine/sentences';
import { isKey, parts, tables, translate, type Key } from '../src/text';
import { compute } from '../src/engine/run';
import { addresses, load, names, NOTHING } from './load';

const keys = Object.keys(tables.en) as Key[];
const placeholders = (text: string) => new Set([...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]));
const codes = (text: string) => [...text.matchAll(/`([^`]*)`/g)].map((found) => found[1]).sort();

describe('the tables', () => {
  it('have the same keys in both languages', () => {
    expect(Object.keys(tables.zh).sort()).toEqual([...keys].sort());
  });

  it.each(keys)('%s has words, the same placeholders, and code that is closed', (key) => {
    const [en, zh] = [tables.en[key], tables.zh[key]];
    expect(en.trim()).not.toBe('');
    expect(zh.trim()).not.toBe('');
    expect(placeholders(zh)).toEqual(placeholders(en));
    expect(en.split('`').length % 2).toBe(1);
    expect(zh.split('`').length % 2).toBe(1);
  });

  it('leave the API’s names as they are', () => {
    const named = (code: string | undefined) => /^[a-z_]+(_[a-z]+)+$/.test(code ?? '');
    for (const key of keys) {
      expect(new Set(codes(tables.zh[key]).filter(named)), key).toEqual(new Set(codes(tables.en[key]).filter(named)));
    }
  });
});

describe('translate', () => {
  it('fills in what is given and shows what is not', () => {
    expect(translate('en')('sentence.unit.layer', { unit: 7, layer: 0 })).toBe('unit 7 of layer 0');
    expect(translate('zh')('sentence.unit.layer', { unit: 7 })).toBe('第 {layer} 层单元 7');
  });

  it('knows its keys', () => {
    expect(isKey('sentence.unit')).toBe(true);
    expect(isKey('toString')).toBe(false);
  });
});

it('cuts out code', () => {
  expect(parts('`h_n` holds `c`.')).toEqual([
    { code: true, text: 'h_n' },
    { code: false, text: ' holds ' },
    { code: true, text: 'c' },
    { code: false, text: '.' },
  ]);
});

describe('a sentence', () => {
  const { network } = load('lstm');
  const at = { sample: 1, layer: 1, direction: 'reverse', step: 0, unit: 2 } as const;

  it('says what a number is, where, and how large', () => {
    const of = (state: 'h' | 'c') => sentence(network, { of: 'state', state, ...at }, -0.123456, translate('en'));
    expect(of('h')).toBe(
      'Hidden state `h` of unit 2 of layer 1, reverse direction after step 0 of sample 1 (Lagos), the last that this direction reads, so that it stands in `h_n`: −0.1235.',
    );
    expect(sentence(network, { of: 'x', sample: 0, step: 3, feature: 1 }, 2, translate('zh'))).toBe(
      '样本 0 (Berlin) 在第 3 步的输入特征 1 (wind)：2。',
    );
  });

  it('names the source of a weight', () => {
    const weight = { of: 'weight', name: 'weight_ih', layer: 1, direction: 'forward', row: 4, column: 5 } as const;
    expect(sentence(network, weight, 0.5, translate('en'))).toBe(
      'How strongly gate `f` of unit 1 of layer 1, forward direction listens to unit 2 of layer 0, reverse direction, the same at every step: 0.5.',
    );
  });

  it('tells a forecast in the user’s own units', () => {
    const forecaster = load('forecaster').network;
    const value = sentence(forecaster, { of: 'answer', sample: 1, index: [2, 1] }, 0.25, translate('en'));
    expect(value).toBe('The model’s answer [2, 1] for sample 1: 7.5.');
  });

  it.each(names)('leaves no gap, whatever the number of %s', (name) => {
    const { network } = load(name);
    const run = compute(network, 0, NOTHING);
    const weights = network.weights.flatMap(({ layer, direction, arrays }) =>
      Object.entries(arrays).map(([parameter, { shape }]) => ({
        of: 'weight' as const,
        name: parameter,
        layer,
        direction,
        row: shape[0]! - 1,
        column: shape.length > 1 ? shape[1]! - 1 : null,
      })),
    );
    for (const language of ['en', 'zh'] as const) {
      for (const address of [...addresses(network, 0), ...weights]) {
        const text = sentence(network, address, run.value(address), translate(language));
        expect(text).not.toMatch(/[{}]|undefined|NaN|null/);
        expect(text).toMatch(/[.。]$/);
      }
    }
  });
});
