// Layer normalisation as sums: what is normalised is still a sum of the same products, each scaled, less their mean.

import { nonlinearity } from './activations';
import { moments, normalise, product } from './arithmetic';
import type { NamedArray } from '../decode';
import { inputColumns, stateColumns, type Site } from './site';
import { biasTerm, productTerms, termOf, type Column } from './terms';
import type { Address, Term } from './types';

/** A gate before its nonlinearity: γ·(W·x − mean)/s + b of x, and the same of h. */
export function normedTerms(site: Site, row: number): Term[] {
  return [
    ...scaledTerms(site, row, 'ih', inputColumns(site)),
    ...biasTerm(site, 'bias_ih', row),
    ...scaledTerms(site, row, 'hh', stateColumns(site)),
    ...biasTerm(site, 'bias_hh', row),
  ];
}

function scaledTerms(site: Site, row: number, of: 'ih' | 'hh', columns: Column[]): Term[] {
  const { layer, direction } = site;
  const { mean, scale } = momentsOf(site, `weight_${of}`, columns);
  const gain: Address = { of: 'weight', name: `norm_${of}`, layer, direction, row, column: null };
  const whole = termOf(site, gain, null);
  const factor = { label: `${whole.label} / std`, address: gain, value: whole.leftValue * scale };
  const terms = productTerms(
    site,
    `weight_${of}`,
    row,
    columns.map((column) => ({ ...column, factor })),
  );
  const less = { ...whole, label: `-mean(weight_${of} @ …) * ${factor.label}`, leftValue: -mean * scale, left: null };
  return [...terms, { ...less, right: gain, rightValue: whole.leftValue, product: -mean * factor.value }];
}

/** Mean and scale of all rows' products. */
function momentsOf(site: Site, name: string, columns: Column[]): { mean: number; scale: number } {
  const weight = need(site, name);
  const value = (address: Address) => site.run.value(address) ?? NaN;
  const read = Float64Array.from(columns, ({ addresses }) => addresses.reduce((sum, one) => sum + value(one), 0));
  const products = new Float64Array(weight.shape[0]!);
  product(weight.doubles, 0, read, 0, read.length, null, products);
  return moments(products);
}

function need({ network, layer, direction }: Site, name: string): NamedArray {
  const weight = network.weight(layer, direction, name);
  if (!weight) throw new Error(`The page has no ${name} of this layer.`);
  return weight;
}

/** tanh(c) of every unit after a step, or of c normalised. */
export function insides(site: Site): Float64Array {
  const { network, run, sample, layer, direction, step } = site;
  const c = Float64Array.from({ length: network.widths(layer) }, (_, unit) => {
    return run.value({ of: 'state', state: 'c', sample, layer, direction, step, unit }) ?? NaN;
  });
  const gain = network.weight(layer, direction, 'norm_c');
  if (gain) normalise(c, gain.doubles, network.weight(layer, direction, 'norm_c_bias')?.doubles ?? null);
  return c.map(nonlinearity(network.settings.activation, 'tanh'));
}
