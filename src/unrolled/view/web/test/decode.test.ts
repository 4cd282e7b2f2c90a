import { describe, expect, it } from 'vitest';
import { decodePage, NamedArray } from '../src/decode';
import { nonlinearity, nonlinearityName } from '../src/engine/activations';
import { pick } from '../src/engine/shown';
import type { ArrayDocument } from '../src/document';
import { load } from './load';

function document(dtype: ArrayDocument['dtype'], bytes: ArrayLike<number>, shape: number[]): ArrayDocument {
  return {
    axes: shape.map((_, k) => `axis_${k}`),
    dtype,
    shape,
    data: Buffer.from(Uint8Array.from(bytes)).toString('base64'),
  };
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer);

describe('an array', () => {
  it('is read from half precision', () => {
    // 1, −2, the largest, the smallest subnormal, 1/3, −0, ∞, NaN
    const bits = Uint16Array.from([0x3c00, 0xc000, 0x7bff, 0x0001, 0x3555, 0x8000, 0x7c00, 0x7e00]);
    const { data } = new NamedArray(document('<f2', bytesOf(bits), [8]));
    expect([...data]).toEqual([1, -2, 65504, 2 ** -24, 0.333251953125, -0, Infinity, NaN]);
  });

  it('is read from doubles, integers and booleans', () => {
    expect([...new NamedArray(document('<f8', bytesOf(Float64Array.from([0.1])), [1])).data]).toEqual([0.1]);
    expect([...new NamedArray(document('<i8', bytesOf(BigInt64Array.from([-3n, 7n])), [2])).data]).toEqual([-3, 7]);
    expect([...new NamedArray(document('|b1', [1, 0], [2])).data]).toEqual([1, 0]);
  });

  it('is indexed by axis, and knows its end', () => {
    const array = new NamedArray(document('|b1', [0, 1, 2, 3, 4, 5], [2, 3]));
    expect([array.at(0, 2), array.at(1, 0)]).toEqual([2, 3]);
    expect([array.at(2, 0), array.at(0, 3), array.at(0, -1)]).toEqual([undefined, undefined, undefined]);
  });

  it('is refused when its values and its shape differ', () => {
    expect(() => new NamedArray(document('|b1', [1], [2])).data).toThrow('shape [2] has 1 values');
  });
});

describe('a page', () => {
  it('is refused when it is of another version', () => {
    const page = { ...load('rnn').document, schema: 'unrolled-page/2' as 'unrolled-page/1' };
    expect(() => decodePage(page)).toThrow('unrolled-page/2');
  });

  it('knows its network', () => {
    const { network } = load('projected');
    expect([network.layers, network.widths(1), network.outputWidth(1), network.inputWidth(1)]).toEqual([2, 4, 2, 4]);
    expect([network.gates, network.states]).toEqual([
      ['i', 'f', 'g', 'o'],
      ['h', 'c'],
    ]);
    expect([network.lengths(0), network.lengths(1), network.batchFirst]).toEqual([4, 3, false]);
    expect(load('widths').network.widths(1)).toBe(5);
    expect(load('gru').network.gates).toEqual(['r', 'z', 'n']);
    expect(load('rnn').network).toMatchObject({ gates: ['h'], states: ['h'], batched: false, computes: null });
  });

  it('gives the names of the axes to its first network alone', () => {
    const page = load('lstm').document;
    const { networks } = decodePage({ ...page, networks: [...page.networks, ...page.networks] });
    expect(networks.map((one) => one.names.feature)).toEqual([['rain', 'wind'], undefined]);
  });

  it('has forecasts in the user’s own units', () => {
    const { network } = load('forecaster');
    expect([network.unscaled(0, 0.5), network.unscaled(1, 0.5)]).toEqual([105, 8]);
    expect(load('lstm').network.unscaled(0, 0.5)).toBe(0.5);
  });
});

describe('an activation', () => {
  it.each([
    ['relu', [0, 0.5]],
    ['tanh', [Math.tanh(-0.5), Math.tanh(0.5)]],
    ['sigmoid', [0.3775406687981454, 0.6224593312018546]],
    ['affine', [-0.5, 0.5]],
    ['leaky_relu', [-0.005, 0.5]],
    ['thresholded_relu', [0, 0]],
    ['hard_sigmoid', [0.4, 0.6]],
    ['elu', [Math.exp(-0.5) - 1, 0.5]],
    ['softsign', [-1 / 3, 1 / 3]],
    ['softplus', [Math.log(1 + Math.exp(-0.5)), Math.log(1 + Math.exp(0.5))]],
    ["Activation('scaled_tanh', alpha=1.7, beta=0.5)", [1.7 * Math.tanh(-0.25), 1.7 * Math.tanh(0.25)]],
    ["Activation('leaky_relu', alpha=1e-05)", [-5e-6, 0.5]],
  ])('%s', (setting, expected) => {
    const f = nonlinearity(setting, 'tanh');
    [-0.5, 0.5].forEach((x, k) => expect(f(x)).toBeCloseTo(expected[k]!, 12));
  });

  it('has a default and a name', () => {
    expect(nonlinearityName(undefined, 'tanh')).toBe('tanh');
    expect(nonlinearityName("Activation('hard_sigmoid', alpha=0.2)", 'sigmoid')).toBe('hard_sigmoid');
    expect(() => nonlinearity('mine', 'tanh')).toThrow('mine');
  });
});

it('picks indices evenly, the first and the last among them', () => {
  expect(pick(9, 5)).toEqual([0, 2, 4, 6, 8]);
  expect(pick(3, 5)).toEqual([0, 1, 2]);
  expect(pick(10, 4)).toEqual([0, 3, 6, 9]);
  expect([pick(9, 1), pick(9, 0)]).toEqual([[0], []]);
});
