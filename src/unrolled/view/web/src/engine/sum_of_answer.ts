// A number of the model's answer as the sum that the last dense layer of its head makes.

import { chain, ELEMENTWISE, given, givenVector, type Given } from './head';
import type { Head, HeadLayer, Network } from './network';
import { answerPlace, HEAD } from './places';
import { compute, ComputedRun } from './run';
import type { Parts } from './sums';
import { termOf } from './terms';
import type { Address, Run, Term } from './types';

type Dense = Extract<HeadLayer, { kind: 'Linear' }>;

export function answerSum(network: Network, run: Run, address: Extract<Address, { of: 'answer' }>): Parts | null {
  const head = network.head!;
  const place = answerPlace(network, address.index);
  const from = given(network, address.sample, Math.floor(place / width(network, head)));
  const vector = vectorOf(network, run, from, Math.floor(place / width(network, head)));
  if (!vector) return null;
  const last = head.layers.at(-1);
  const after = last && last.kind !== 'Linear' ? last : null;
  const k = head.layers.length - (after ? 2 : 1);
  const dense = head.layers[k];
  const row = place % width(network, head);
  const site = { network, run };
  const name = after ? ELEMENTWISE[after.kind][0] : 'identity';
  if (dense?.kind !== 'Linear') {
    return {
      formula: `head.${name}`,
      terms: plainTerms(site, chain(head, vector)[k + 1]!, from, k, row),
      nonlinearity: name,
    };
  }
  const terms = denseTerms(site, dense, k, row, chain(head, vector)[k]!, k === 0 ? from : null);
  return { formula: dense.bias ? 'head' : 'head.unbiased', terms, nonlinearity: name };
}

/** How many numbers the head makes of one vector. */
function width(network: Network, head: Head): number {
  const dense = head.layers.findLast((layer) => layer.kind === 'Linear');
  return dense ? dense.weight.shape[0]! : network.inputWidth(network.layers);
}

/** What the head is given; from the recorded numbers where these are enough. */
function vectorOf(network: Network, run: Run, from: Given | null, row: number): Float64Array | undefined {
  if (from) {
    return Float64Array.from(from.columns, (addresses) => {
      return from.scale * addresses.reduce((sum, address) => sum + (run.value(address) ?? NaN), 0);
    });
  }
  if (run instanceof ComputedRun) return givenVector(network, run, row);
  if (network.computes !== null) return undefined;
  return givenVector(network, compute(network, run.sample, { values: new Map(), clamps: [] }), row);
}

type Site = { network: Network; run: Run };

function denseTerms(site: Site, dense: Dense, k: number, row: number, v: Float64Array, from: Given | null): Term[] {
  const parameter = (which: string, column: number | null): Address => {
    return { of: 'weight', name: `head.${k}.${which}`, layer: HEAD, direction: 'forward', row, column };
  };
  const terms = [...v].flatMap((value, column) => {
    const weight = parameter('weight', column);
    const addresses = from?.columns[column];
    if (!from || !addresses?.length) return [unnamed(site, weight, `v[${column}]`, value)];
    return addresses.map((address) => termOf(site, weight, address, shareOf(from)));
  });
  return dense.bias ? [...terms, termOf(site, parameter('bias', null), null)] : terms;
}

/** An average of two is half of each. */
function shareOf({ scale }: Given): Term['factor'] {
  return scale === 1 ? undefined : { label: String(scale), address: null, value: scale };
}

/** A product whose right factor stands nowhere: inside the head, or made of many numbers. */
function unnamed(site: Site, weight: Address, name: string, value: number): Term {
  const term = termOf(site, weight, null);
  return { ...term, label: `${term.label} * ${name}`, rightValue: value, product: term.leftValue * value };
}

/** Without a dense layer before it a number is passed on as it is. */
function plainTerms(site: Site, v: Float64Array, from: Given | null, k: number, column: number): Term[] {
  const addresses = k < 0 && from ? (from.columns[column] ?? []) : [];
  if (addresses.length > 0)
    return addresses.map((address) => termOf(site, address, null, from ? shareOf(from) : undefined));
  const value = v[column]!;
  return [{ label: `v[${column}]`, left: null, right: null, leftValue: value, rightValue: 1, product: value }];
}
