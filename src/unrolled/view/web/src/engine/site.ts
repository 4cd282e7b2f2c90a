// Where a sum is, and the addresses of what its products are made of.

import type { DirectionName } from '../document';
import type { Network } from './network';
import { sources, stepBefore } from './places';
import type { Column } from './terms';
import type { Address, Run } from './types';

/** Where in the network a sum is: one unit of one direction of one layer, at one step. */
export interface Site {
  network: Network;
  run: Run;
  sample: number;
  layer: number;
  direction: DirectionName;
  step: number;
  unit: number;
}

/** What a layer reads, column by column. */
export function inputColumns({ network, layer, sample, step }: Site): Column[] {
  const columns = Array.from({ length: network.inputWidth(layer) }, (_, column) => column);
  return columns.map((column) => ({ addresses: sources(network, layer, sample, step, column) }));
}

/** The state before a step, unit by unit. */
export function stateColumns(site: Site, state = 'h'): Column[] {
  const units = Array.from({ length: site.network.stateWidth(site.layer, state) }, (_, unit) => unit);
  return units.map((unit) => ({ addresses: [stateBefore(site, state, unit)] }));
}

/** The number that a step starts from. */
export function stateBefore({ network, sample, layer, direction, step }: Site, state: string, unit: number): Address {
  return { of: 'state', state, sample, layer, direction, step: stepBefore(network, sample, direction, step), unit };
}

/** A gate of the same step. */
export function gateAt({ sample, layer, direction, step, unit }: Site, gate: string, other = unit): Address {
  return { of: 'gate', gate, sample, layer, direction, step, unit: other };
}
