// One step's picture, what is decided before drawing: which units and columns, how large a cell, which gate's weights.

import type { Network } from '../engine/network';
import { pick } from '../engine/shown';
import type { Translate } from '../text';
import type { Address, Selection } from '../engine/types';
import type { Part } from './parts';
import { emptyScene, type Scene } from './scene';

export interface StepView {
  network: Network;
  selection: Selection;
  width: number;
  /** Whether cells of the weights show what they give: weight times value. */
  products: boolean;
  /** The value of an address after the edits. */
  value: (address: Address) => number | undefined;
  say: Translate;
}

export interface Plan {
  view: StepView;
  scene: Scene;
  part: Part;
  /** The gate whose weights are drawn; null where the layer has none of its own. */
  gate: string | null;
  /** The first row of that gate in the stacked weights. */
  firstRow: number;
  units: number[];
  /** Columns of weight_ih, columns of weight_hh: true indices. */
  reads: number[];
  from: number[];
  biases: string[];
  left: number;
  wide: boolean;
  /** Sizes of a cell of the weights, and of the columns of units beside them. */
  cell: [number, number];
  column: number;
  operation: number;
}

const MOST = 64;
export const STRIP = 18; // height of a layer that is drawn as one row
export const RISE = 20; // between strips: an arrow
export const HEAD = 34; // above the columns of units: circles with letters

export function planStep(view: StepView): Plan {
  const { network, selection, width } = view;
  const { sample, layer, direction } = selection;
  const part = { sample, layer, direction };
  const blocks = gatesWithWeights(network, layer);
  const gate = !network.weight(layer, direction, 'weight_ih')
    ? null
    : blocks.includes(selection.gate)
      ? selection.gate
      : (blocks.find((one) => one === 'f') ?? blocks[0] ?? null);
  const units = network.shown.hidden[layer] ?? [];
  const firstRow = Math.max(0, blocks.indexOf(gate ?? '')) * network.widths(layer);
  const reads = readColumns(network, layer);
  const from = units.filter((unit) => unit < network.outputWidth(layer));
  const biases = ['bias_ih', 'bias_hh'].filter((name) => network.weight(layer, direction, name));
  const left = width < 600 ? 30 : 54;
  const column = width < 600 ? 20 : 24;
  const operation = width < 600 ? 20 : 26;
  const scene = emptyScene(width);
  const plan = { view, scene, part, gate, firstRow, units, reads, from, biases, left, column, operation };
  const beside = cellWidth(plan, true);
  const wide = gate === null || width >= 1200 || (width >= 720 && beside >= 6);
  const down = Math.max(4, Math.min(26, 400 / units.length));
  return { ...plan, wide, cell: [Math.max(1.5, Math.min(28, wide ? beside : cellWidth(plan, false))), down] };
}

/** Gates that have rows of their own in the stacked weights. */
export function gatesWithWeights(network: Network, layer: number): string[] {
  return network.gatesOf(layer).filter((gate) => !(gate === 'i' && network.settings.coupled_gates));
}

/** What the layer reads, as many columns of it as are shown. */
function readColumns(network: Network, layer: number): number[] {
  if (layer === 0) return network.shown.feature;
  const width = network.outputWidth(layer - 1);
  const below = (network.shown.hidden[layer - 1] ?? []).filter((unit) => unit < width);
  const all = network.directionsOf(layer - 1).flatMap((_, d) => below.map((unit) => unit + d * width));
  return pick(all.length, MOST).map((k) => all[k] ?? 0);
}

/** The width of a cell of the weights, with the columns of units beside them or below. */
function cellWidth(plan: Omit<Plan, 'cell' | 'wide'>, beside: boolean): number {
  const { view, reads, from, biases, left } = plan;
  const columns = reads.length + from.length + biases.length;
  const gaps = 2 * BLOCK_GAP + 8 + (biases.length > 0 ? 3 * biases.length : 0);
  return (view.width - left - gaps - (beside ? unitsWidth(plan) + 40 : 0)) / Math.max(1, columns);
}

/** Between two blocks of weights: room for a plus. */
export const BLOCK_GAP = 26;

/** How wide the columns of units with the operations between them are. */
function unitsWidth(plan: Pick<Plan, 'view' | 'column' | 'operation'>): number {
  return equation(plan.view.network, plan.view.selection.layer).reduce(
    (sum, piece) => sum + (piece.kind === 'operation' ? operationWidth(plan, piece.text) : plan.column),
    0,
  );
}

export function operationWidth({ operation }: Pick<Plan, 'operation'>, text: string): number {
  return Math.max(operation, text.length * 7.5 + 14);
}

/** The step's equation as columns of units with operations between them. */
export type Piece =
  | { kind: 'gate'; name: string }
  | { kind: 'state'; name: string; before: boolean }
  | { kind: 'operation'; text: string };

const op = (text: string): Piece => ({ kind: 'operation', text });
const gate = (name: string): Piece => ({ kind: 'gate', name });
const state = (name: string, before = false): Piece => ({ kind: 'state', name, before });

export function equation(network: Network, layer: number): Piece[] {
  if (network.kind === 'LSTM') {
    const written = [gate('i'), op('·'), gate('g'), op('='), state('c')];
    return [gate('f'), op('·'), state('c', true), op('+'), ...written, op('tanh·'), gate('o'), op('='), state('h')];
  }
  if (network.kind === 'GRU') {
    const mixed = [gate('n'), op('+'), gate('z'), op('·'), state('h', true), op('='), state('h')];
    return [gate('r'), op(' '), op('(1−z)·'), ...mixed];
  }
  if (network.kind === 'RNN') return [state('h')];
  const gates = network.gatesOf(layer).map(gate);
  const states = network.statesOf(layer).flatMap((name) => [op(' '), state(name)]);
  return [...gates.flatMap((piece, k) => (k > 0 ? [op(' '), piece] : [piece])), ...states];
}
