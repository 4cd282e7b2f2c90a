// What a head reads of the recurrent layer's result: code, as analysis/readings.py finds it, understood.
//   output   output[:, -1]   output[:, -1:]   output[:, 0]   output[torch.arange(N), lengths - 1]   (or time first)
//   output.mean(dim=1)   output.amax(dim=1)   output.sum(dim=1)   output.sum(dim=1) / lengths[:, None]
//   output.flatten(1)
//   h_n[-1]   torch.cat([h_n[-2], h_n[-1]], dim=1)   h_n[-2] + h_n[-1]   (h_n[-2] + h_n[-1]) / 2
//   h_n.transpose(0, 1)   h_n.transpose(0, 1).flatten(1)   c_n alike   h_n[-1][0] where layers have widths of their own
// Readings in which the batch is not the first axis of the answer are not understood: the page shows what was recorded.

import type { Network } from './network';

/** One vector: `output` at a step, or a row of h_n or c_n. */
export type Pick = { step: number } | { state: string; row: number };

/** Vectors, and what becomes of them: an answer for each, or one of all joined, added, averaged or the largest of. */
export interface Reading {
  combine: 'each' | 'join' | 'sum' | 'mean' | 'max';
  picks: Pick[];
}

/** What the code means for a sample of some length; null for code that is none of the above. */
export function reading(network: Network, length: number): Reading | null {
  const code = network.head?.reads.replaceAll(' ', '') ?? '';
  return code.startsWith('output') ? ofOutput(network, code, length) : ofFinals(network, code);
}

function ofOutput(network: Network, code: string, length: number): Reading | null {
  const steps = (count: number): Pick[] => Array.from({ length: count }, (_, step) => ({ step }));
  const all = steps(network.sizes.time);
  const rest = code.slice('output'.length);
  if (rest === '') return { combine: 'each', picks: all };
  if (/^\[.*lengths-1.*\]$/.test(rest)) return { combine: 'each', picks: [{ step: Math.max(0, length - 1) }] };
  const step = /^\[(?::,)?(-1|0)(?::1?)?\]$/.exec(rest)?.[1];
  if (step) return { combine: 'each', picks: [{ step: step === '0' ? 0 : network.sizes.time - 1 }] };
  if (rest === '.flatten(1)') return { combine: 'join', picks: all };
  const over = /^\.(mean|amax|sum)\(dim=[01]\)(\/lengths\[:,None\])?$/.exec(rest);
  if (!over) return null;
  if (over[2]) return { combine: 'mean', picks: steps(Math.max(1, length)) };
  return { combine: over[1] === 'amax' ? 'max' : (over[1] as 'mean' | 'sum'), picks: all };
}

function ofFinals(network: Network, code: string): Reading | null {
  const picks = [...code.matchAll(/([hc])_n\[(-?\d+)\](?:\[(-?\d+)\])?/g)].map(([, state, first, second]) => ({
    state: state!,
    row: rowOf(network, Number(first), second),
  }));
  const whole = /^([hc])_n(\[-1\])?\.transpose\(0,1\)(\.flatten\(1\))?$/.exec(code);
  if (whole) return { combine: whole[3] ? 'join' : 'each', picks: rowsOf(network, whole[1]!, whole[2]) };
  if (code.startsWith('torch.cat(')) return { combine: 'join', picks };
  if (code.includes('+')) return { combine: code.endsWith('/2') ? 'mean' : 'sum', picks };
  return picks.length === 1 && code.endsWith(']') ? { combine: 'each', picks } : null;
}

/** A row of h_n; where layers have widths of their own, a layer and one of its directions. */
function rowOf(network: Network, first: number, second: string | undefined): number {
  const around = (k: number, size: number) => (k + size) % size;
  if (!network.perLayer) return around(first, network.parts.length);
  const directions = network.directions.length;
  return around(first, network.layers) * directions + around(Number(second ?? -1), directions);
}

function rowsOf(network: Network, state: string, lastLayer: string | undefined): Pick[] {
  const rows = network.parts.map((_, row) => ({ state, row }));
  return lastLayer && network.perLayer ? rows.slice(-network.directions.length) : rows;
}
