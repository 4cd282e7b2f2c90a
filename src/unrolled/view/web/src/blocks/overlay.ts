// An analysis laid over a drawing: for each cell the number that the analysis has for it.

import type { Analysis, Network } from '../engine/network';
import type { Address } from '../engine/types';

interface Cell {
  id: string;
  x: number;
  y: number;
  address: Address | null;
}

export interface Mark {
  id: string;
  x: number;
  y: number;
  value: number;
  /** Its size among all marks of the analysis: 0 to 1. */
  share: number;
}

/** A mark for each cell that the analysis says something about. */
export function overlayValues(network: Network, name: string, cells: Cell[]): Mark[] {
  const most = largest(network, name);
  if (most === 0) return [];
  return cells.flatMap(({ id, x, y, address }) => {
    const value = address && overlayValue(network, name, address);
    return value ? [{ id, x, y, value, share: Math.min(1, Math.abs(value) / most) }] : [];
  });
}

/** What an analysis says of one number; undefined where it says nothing. */
export function overlayValue(network: Network, name: string, address: Address): number | undefined {
  const analysis = network.analyses.find((one) => one.name === name && isOf(one, address));
  if (!analysis) return undefined;
  if (!analysis.array.axes.includes('end')) return analysis.array.at(...indexIn(network, analysis, address));
  const index = indexIn(network, analysis, address);
  const end = analysis.array.axes.indexOf('end');
  const ends = [0, 1].map((k) => analysis.array.at(...index.map((one, axis) => (axis === end ? k : one))) ?? 0);
  return (ends[0] ?? 0) + (ends[1] ?? 0);
}

function isOf(analysis: Analysis, address: Address): boolean {
  if (address.of === 'x') return analysis.of === 'x';
  if (address.of === 'gate') return analysis.of === address.gate && inPart(analysis, address);
  if (address.of !== 'state') return false;
  return analysis.of === (address.step === 'start' ? `${address.state}_0` : address.state) && inPart(analysis, address);
}

function inPart(analysis: Analysis, address: { layer: number; direction: string }): boolean {
  return analysis.layer === address.layer && analysis.direction === address.direction;
}

function indexIn({ shown }: Network, { array, layer }: Analysis, address: Address): number[] {
  return array.axes.map((name) => {
    if (name === 'batch') return 'sample' in address ? shown.batch.indexOf(address.sample) : -1;
    if (name === 'time') return 'step' in address && address.step !== 'start' ? shown.time.indexOf(address.step) : -1;
    if (name === 'feature') return 'feature' in address ? shown.feature.indexOf(address.feature) : -1;
    if (name === 'end') return 0;
    return 'unit' in address ? (shown.hidden[layer ?? 0] ?? []).indexOf(address.unit) : -1;
  });
}

const largestOf = new WeakMap<Network, Map<string, number>>();

function largest(network: Network, name: string): number {
  const known = largestOf.get(network) ?? new Map<string, number>();
  largestOf.set(network, known);
  let most = known.get(name) ?? 0;
  if (!known.has(name)) {
    for (const analysis of network.analyses.filter((one) => one.name === name)) {
      for (const value of analysis.array.data) if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
    }
    known.set(name, most);
  }
  return most;
}

/** The radius of a mark: its area follows the number; what is next to nothing is not drawn. */
export function markSize(share: number, room: number): number {
  return share < 0.004 ? 0 : Math.max(1, (Math.sqrt(share) * room) / 2.6);
}
