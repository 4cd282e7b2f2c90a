// Gates and states of one step as columns of units: the step's equation, read across.

import { stepBefore } from '../engine/places';
import { gateColumn, gateRole, stateColumn, stateRole } from './parts';
import { gateScale, stateScale } from './scales';
import { edges } from './scene';
import { equation, operationWidth, type Piece, type Plan } from './step_plan';
import { weightsRight } from './step_weights';

/** From the weights round below the columns of units into the gate that they make, through its nonlinearity. */
export function squash(plan: Plan, right: number, cells: number, x: number): void {
  const bottom = cells + plan.units.length * plan.cell[1];
  const middle = (cells + bottom) / 2;
  const gate = plan.scene.placed.find((one) => one.block.id === `gate ${plan.gate}`);
  const target = gate ?? plan.scene.placed.find((one) => one.block.id === 'h after');
  const end = (target?.xs[0] ?? x) + plan.column / 2;
  const under = bottom + 22;
  const points: [number, number][] = [
    [right + 5, middle],
    [right + 17, middle],
    [right + 17, under],
    [end, under],
    [end, bottom + 4],
  ];
  plan.scene.links.push({ id: 'into the gate', kind: 'arrow', role: roleOfGate(plan), points });
  const letter = nonlinearity(plan);
  const width = Math.max(18, letter.length * 7.3 + 2);
  plan.scene.shapes.push({
    id: 'nonlinearity',
    kind: 'square',
    x: right + 17 - width / 2,
    y: (middle + under) / 2 - 9,
    width,
    height: 18,
    letter,
  });
}

/** What bends the gate's sum, as far as it is the usual one. */
function nonlinearity({ gate, view }: Plan): string {
  const { kind, settings } = view.network;
  if (kind === 'RNN') return String(settings.nonlinearity ?? 'tanh');
  const usual =
    gate === 'g' || gate === 'n' ? (settings.activation ?? 'tanh') : (settings.recurrent_activation ?? 'sigmoid');
  return usual === 'sigmoid' ? 'σ' : usual === 'tanh' ? 'tanh' : 'φ';
}

function roleOfGate(plan: Plan): string {
  return plan.gate ? gateRole(plan.gate) : 'weight';
}

/** Gates and states as columns of units, the step's equation read across; gives the lower edge. */
export function drawUnits(plan: Plan, left: number, top: number, cells: number): number {
  const down = plan.cell[1];
  const middle = cells + (plan.units.length * down) / 2;
  let x = left;
  equation(plan.view.network, plan.part.layer).forEach((piece, k) => {
    const width = piece.kind === 'operation' ? operationWidth(plan, piece.text) : plan.column;
    if (piece.kind === 'operation') operation(plan, piece.text, x, width, middle, k);
    else unitColumn(plan, piece, x, top, cells);
    x += width;
  });
  unitNames(plan, cells);
  band(plan, cells, Math.max(x, plan.wide ? 0 : weightsRight(plan)));
  return cells + plan.units.length * down;
}

function operation(plan: Plan, text: string, x: number, width: number, middle: number, k: number): void {
  if (text.trim() === '') return;
  const size = Math.max(16, text.length * 7.5 + 4);
  plan.scene.shapes.push({
    id: `operation ${k}`,
    kind: 'square',
    x: x + (width - size) / 2,
    y: middle - 8,
    width: size,
    height: 16,
    letter: text,
  });
}

function unitColumn(
  plan: Plan,
  piece: Exclude<Piece, { kind: 'operation' }>,
  x: number,
  top: number,
  cells: number,
): void {
  const { network, selection } = plan.view;
  const { part, units } = plan;
  const [width, down] = [plan.column, plan.cell[1]];
  const before = stepBefore(network, part.sample, part.direction, selection.step);
  const held = units.filter(
    (unit) => unit < (piece.kind === 'gate' ? network.widths(part.layer) : network.stateWidth(part.layer, piece.name)),
  );
  const common = { xs: [x], ys: edges(cells, held.length, down), cell: [width, down] as [number, number] };
  if (piece.kind === 'gate') {
    const block = gateColumn(network, part, piece.name, selection.step, held);
    const size = 22;
    plan.scene.placed.push({ block, ...common, scale: gateScale(network, piece.name), shape: 'cells' });
    plan.scene.shapes.push({
      id: `letter ${piece.name}`,
      kind: 'circle',
      x: x + (width - size) / 2,
      y: top + 6,
      width: size,
      height: size,
      letter: piece.name,
      role: gateRole(piece.name),
    });
    return;
  }
  const step = piece.before ? before : selection.step;
  const block = stateColumn(
    network,
    part,
    piece.name,
    step,
    held,
    `${piece.name} ${piece.before ? 'before' : 'after'}`,
  );
  plan.scene.placed.push({ block, ...common, scale: stateScale(network, piece.name), shape: 'state' });
  const text = piece.before
    ? before === 'start'
      ? `${piece.name}_{0}`
      : `${piece.name}_{${before}}`
    : `${piece.name}_{${selection.step}}`;
  plan.scene.words.push({
    id: `letter ${block.id}`,
    text,
    x: x + width / 2,
    y: top + 22,
    anchor: 'middle',
    look: 'math',
    role: stateRole(piece.name),
  });
}

/** A band behind the line of the selected unit. */
function band(plan: Plan, cells: number, right: number): void {
  const k = plan.units.indexOf(plan.view.selection.unit);
  if (k < 0) return;
  const y = cells + k * plan.cell[1] - 2;
  plan.scene.shapes.unshift({
    id: `line ${cells}`,
    kind: 'cursor',
    x: plan.left - 28,
    y,
    width: right - plan.left + 34,
    height: plan.cell[1] + 4,
  });
}

/** Indices of units beside the lines, as many as have room. */
function unitNames(plan: Plan, cells: number): void {
  const every = Math.ceil(14 / plan.cell[1]);
  plan.units.forEach((unit, k) => {
    const chosen = unit === plan.view.selection.unit;
    if (k % every > 0) return;
    const y = cells + (k + 0.5) * plan.cell[1] + 4;
    plan.scene.words.push({
      id: `unit ${unit}`,
      text: String(unit),
      x: plan.left - 6,
      y,
      anchor: 'end',
      look: chosen ? 'strong' : 'quiet',
    });
  });
}
