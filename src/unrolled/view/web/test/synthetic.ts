// Page documents of any size, with random numbers: for what does not depend on Python.

import { decodePage } from '../src/decode';
import type { ArrayDocument, NetworkDocument, PartDocument } from '../src/document';
import type { Network } from '../src/engine/network';

interface Sizes {
  layers: number;
  hidden: number;
  time: number;
  feature: number;
  batch?: number;
}

const BLOCKS: Record<string, string[]> = { LSTM: ['i', 'f', 'g', 'o'], GRU: ['r', 'z', 'n'], RNN: ['h'] };

export function encode(values: ArrayLike<number>, shape: number[], axes: string[] = []): ArrayDocument {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return { axes, dtype: '<f4', shape, data: Buffer.from(bytes).toString('base64') };
}

/** Numbers within ±0.2 that are the same at every call. */
function random(shape: number[], seed: number, axes: string[] = []): ArrayDocument {
  let state = seed;
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: size }, () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return (state / 2 ** 32 - 0.5) * 0.4;
  });
  return encode(values, shape, axes);
}

export function network(kind: string, sizes: Sizes): Network {
  const page = { schema: 'unrolled-page/1' as const, title: '', made_with: { unrolled: '', torch: '' }, names: {} };
  return decodePage({ ...page, networks: [networkDocument(kind, sizes)], purpose: 'model' }).networks[0]!;
}

export function networkDocument(kind: string, { layers, hidden, time, feature, batch = 1 }: Sizes): NetworkDocument {
  const gates = BLOCKS[kind]!;
  const range = (size: number) => Array.from({ length: size }, (_, k) => k);
  const states = kind === 'LSTM' ? ['h', 'c'] : ['h'];
  const names = [...gates.flatMap((gate) => [gate, `${gate}_pre`]), ...states];
  const part = (layer: number, arrays: PartDocument['arrays']): PartDocument => ({
    layer,
    direction: 'forward',
    arrays,
  });
  const recorded = (seed: number) =>
    Object.fromEntries(
      names.map((name, k) => [name, random([time, batch, hidden], seed + k, ['time', 'batch', 'hidden'])]),
    );
  const first = () =>
    Object.fromEntries(
      states.map((state) => [`${state}_0`, encode(new Float32Array(batch * hidden), [batch, hidden])]),
    );
  const rows = gates.length * hidden;
  const weights = (layer: number) => ({
    weight_ih: random([rows, layer === 0 ? feature : hidden], 10 * layer + 1),
    weight_hh: random([rows, hidden], 10 * layer + 2),
    bias_ih: random([rows], 10 * layer + 3),
    bias_hh: random([rows], 10 * layer + 4),
  });
  return {
    name: '',
    source: `torch.nn.${kind}`,
    sizes: { batch, time, feature },
    shown: {
      batch: range(batch),
      time: range(time),
      feature: range(feature),
      hidden: range(layers).map(() => range(hidden)),
    },
    trace: {
      schema: 'unrolled-trace/1',
      kind,
      settings: {
        input_size: feature,
        hidden_size: hidden,
        num_layers: layers,
        batch_first: true,
        bidirectional: false,
      },
      batched: true,
      lengths: encode(
        range(batch).map(() => time),
        [batch],
        ['batch'],
      ),
      parts: range(layers).map((layer) => part(layer, recorded(100 * layer))),
      output: { ...encode([], [0]), places: [] },
      finals: { h_n: { per_layer: false, arrays: [], places: [] } },
    },
    weights: range(layers).map((layer) => part(layer, weights(layer))),
    inputs: random([batch, time, feature], 5, ['batch', 'time', 'feature']),
    initial: range(layers).map((layer) => part(layer, first())),
    computes: null,
    head: null,
    analyses: [],
  };
}
