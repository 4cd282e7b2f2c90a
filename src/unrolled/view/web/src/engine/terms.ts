// One product of a sum, with the addresses and the code of its factors.

import type { DirectionName } from '../document';
import type { Site } from './site';
import type { Address, Run, Term } from './types';

/** What a column of weights meets: the sum of some numbers, and what multiplies the product besides. */
export interface Column {
  addresses: Address[];
  factor?: Term['factor'];
}

type Where = Pick<Site, 'network' | 'run'> & Partial<Site>;

/** left · right; NaN where the page does not hold a factor. */
export function termOf(site: Where, left: Address, right: Address | null, factor?: Term['factor']): Term {
  const leftValue = valueOf(site.run, left);
  const rightValue = right ? valueOf(site.run, right) : 1;
  const pieces = [left, ...(right ? [right] : [])].map((address) => labelOf(site, address));
  return {
    label: [...pieces, ...(factor ? [factor.label] : [])].join(' * '),
    left,
    right,
    leftValue,
    rightValue,
    product: leftValue * rightValue * (factor?.value ?? 1),
    ...(factor ? { factor } : {}),
  };
}

function valueOf(run: Run, address: Address): number {
  return run.value(address) ?? NaN;
}

/** A row of a matrix times what its columns meet; a column of several numbers becomes as many products. */
export function productTerms(site: Site, name: string, row: number, columns: Column[]): Term[] {
  const { layer, direction } = site;
  return columns.flatMap(({ addresses, factor }, column) => {
    const weight: Address = { of: 'weight', name, layer, direction, row, column };
    return addresses.map((address) => termOf(site, weight, address, factor));
  });
}

/** A bias, where the layer has one. */
export function biasTerm(site: Site, name: string, row: number): Term[] {
  const { network, layer, direction } = site;
  if (!network.weight(layer, direction, name)) return [];
  return [termOf(site, { of: 'weight', name, layer, direction, row, column: null }, null)];
}

/** A number as code, its step relative to the one that is explained: 'h_l0[t-1, 3]', 'weight_ih_l0[7, 2]'. */
export function labelOf(site: Where, address: Address): string {
  switch (address.of) {
    case 'x':
      return `x[${stepLabel(site, address.step)}, ${address.feature}]`;
    case 'gate':
      return `${address.gate}[${stepLabel(site, address.step)}, ${address.unit}]`;
    case 'state':
      return stateLabel(site, address);
    case 'weight': {
      const index = address.column === null ? address.row : `${address.row}, ${address.column}`;
      return `${address.name}${address.layer < 0 ? '' : partSuffix(address)}[${index}]`;
    }
    case 'answer':
      return `answer[${address.index.join(', ')}]`;
  }
}

function stateLabel(site: Where, at: Extract<Address, { of: 'state' }>): string {
  const own = at.layer === site.layer && at.direction === site.direction;
  const name = own ? at.state : `${at.state}${partSuffix(at)}`;
  return at.step === 'start' ? `${name}_0[${at.unit}]` : `${name}[${stepLabel(site, at.step)}, ${at.unit}]`;
}

function partSuffix({ layer, direction }: { layer: number; direction: DirectionName }): string {
  return `_l${layer}${direction === 'reverse' ? '_reverse' : ''}`;
}

function stepLabel({ step }: Where, other: number): string {
  if (step === undefined || Math.abs(other - step) > 1) return String(other);
  return ['t-1', 't', 't+1'][other - step + 1]!;
}
