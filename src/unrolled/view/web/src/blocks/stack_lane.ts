// One direction of one layer in the stack: a box for each step, h and c between them, the weights drawn once.

import type { DirectionName } from '../document';
import { stateBlock, stateRole, weightBlock, type Part } from './parts';
import { stateScale, weightScale } from './scales';
import { edges, type Link } from './scene';
import { pick } from '../engine/shown';
import { BOX_PAD, drawnStates, ellipses, finalName, rowTops, STATE_GAP, unitsOf, type Plan } from './stack_plan';

const LETTER_ROOM = 14; // the letters c and h above their columns
const TETHER_ROOM = 26; // above a lane: its tether and what that says
const LOOP = 14; // how far apart the loops of c and h run
const LEAST_HEIGHT = 60;

/** Where one lane lies. */
interface Lane extends Part {
  id: string;
  top: number;
  height: number;
}

/** Draws a lane below `top`; gives the edges of its boxes. */
export function drawLane(
  plan: Plan,
  layer: number,
  direction: DirectionName,
  top: number,
): { top: number; bottom: number } {
  const { network, selection, folded } = plan.view;
  const tallest = Math.max(...drawnStates(network).map((state) => columnHeight(plan, layer, state)));
  const height = Math.max(LEAST_HEIGHT, tallest + LETTER_ROOM + 2 * BOX_PAD);
  const id = `${layer} ${direction}`;
  const lane: Lane = { sample: selection.sample, layer, direction, id, top: top + TETHER_ROOM, height };
  boxes(plan, lane);
  drawnStates(network).forEach((state, k) => stateCells(plan, lane, state, k));
  tethers(plan, lane, weights(plan, lane));
  if (folded) loops(plan, lane);
  else drawnStates(network).forEach((state, k) => carry(plan, lane, state, k));
  const under = folded && layerHasAnother(plan, lane) ? 2 * LOOP + 6 : 0;
  return { top: lane.top, bottom: lane.top + height + under };
}

function layerHasAnother({ view }: Plan, { layer, direction }: Lane): boolean {
  return view.network.directionsOf(layer).at(-1) !== direction;
}

function columnHeight(plan: Plan, layer: number, state: string): number {
  const tops = rowTops(unitsOf(plan, layer, state), 0, plan.cell[1]);
  return (tops.at(-1) ?? 0) + plan.cell[1];
}

function boxes(plan: Plan, lane: Lane): void {
  plan.lefts.forEach((x, k) => {
    const step = plan.steps.shown[k] ?? 0;
    const faded = plan.view.pinned && !plan.view.folded && step !== plan.view.selection.step;
    const id = `box ${lane.id} ${step}`;
    plan.scene.shapes.push({ id, kind: 'frame', x, y: lane.top, width: plan.boxWidth, height: lane.height, faded });
  });
}

function columnLeft(plan: Plan, left: number, place: number): number {
  return left + BOX_PAD + place * (plan.cell[0] + STATE_GAP);
}

function stateCells(plan: Plan, lane: Lane, state: string, place: number): void {
  const { network, pinned, folded, selection } = plan.view;
  const units = unitsOf(plan, lane.layer, state);
  const xs = plan.lefts.map((left) => columnLeft(plan, left, place));
  const ys = rowTops(units, lane.top + BOX_PAD + LETTER_ROOM, plan.cell[1]);
  const { sample, layer, direction } = lane;
  const block = stateBlock(network, { sample, layer, direction }, state, plan.steps.shown, units.shown);
  const alive = pinned && !folded ? { alive: (_: number, step: number) => step === selection.step } : {};
  plan.scene.placed.push({
    block,
    xs,
    ys,
    cell: plan.cell,
    scale: stateScale(network, state),
    shape: 'state',
    ...alive,
  });
  xs.forEach((x, k) => {
    const id = `letter ${state} ${lane.id} ${plan.steps.shown[k]}`;
    const role = stateRole(state);
    plan.scene.words.push({
      id,
      text: state,
      x: x + plan.cell[0] / 2,
      y: lane.top + BOX_PAD + 9,
      anchor: 'middle',
      look: 'code',
      role,
    });
  });
  ellipses(plan, block.id, units, xs, ys);
}

/** The weights of a lane, once, in the gutter: weight_ih beside weight_hh; gives where their tether begins. */
function weights(plan: Plan, lane: Lane): number | null {
  const { network, say } = plan.view;
  const reverse = lane.direction === 'reverse';
  const text = say(reverse ? 'view.stack.layer.reverse' : 'view.stack.layer', { layer: lane.layer });
  plan.scene.words.push({ id: `lane ${lane.id}`, text, x: 0, y: lane.top + 11, look: 'strong' });
  const names = ['weight_ih', 'weight_hh'].filter((name) => network.weight(lane.layer, lane.direction, name));
  const room = plan.gutter - 10 - 4 * (names.length - 1);
  const shapes = names.map((name) => network.weight(lane.layer, lane.direction, name)?.shape ?? [1, 1]);
  const columns = shapes.map((shape) => Math.min(shape[1] ?? 1, 48));
  const total = columns.reduce((sum, one) => sum + one, 0);
  let x = 2;
  names.forEach((name, k) => {
    const count = columns[k] ?? 1;
    const block = weightBlock(network, lane, name, pick(shapes[k]?.[0] ?? 1, 64), pick(shapes[k]?.[1] ?? 1, 48));
    const tall = lane.height - 22;
    const cell: [number, number] = [Math.min(10, room / total), Math.min(10, tall / block.rows.shown.length)];
    const ys = edges(lane.top + 20, block.rows.shown.length, cell[1]);
    plan.scene.placed.push({
      block,
      xs: edges(x, count, cell[0]),
      ys,
      cell,
      scale: weightScale(network),
      shape: 'weight',
    });
    x += count * cell[0] + 6;
  });
  return names.length > 0 ? x - 16 : null;
}

/** Dashed lines from the weights to every step that uses them. */
function tethers(plan: Plan, lane: Lane, from: number | null): void {
  const { network, selection, say } = plan.view;
  const last = plan.lefts.at(-1);
  if (last === undefined) return;
  const y = lane.top - 8;
  const end = last + plan.boxWidth * 0.2;
  const start: Link['points'] =
    from === null
      ? [[1, y]]
      : [
          [from, lane.top + 18],
          [from, y],
        ];
  plan.scene.links.push({ id: `tether ${lane.id}`, kind: 'tether', points: [...start, [end, y]] });
  plan.lefts.forEach((left, k) => {
    const x = left + plan.boxWidth * 0.2;
    const id = `tether ${lane.id} ${plan.steps.shown[k]}`;
    plan.scene.links.push({
      id,
      kind: 'tether',
      points: [
        [x, y],
        [x, lane.top],
      ],
    });
  });
  const text = say('view.stack.same', { count: network.lengths(selection.sample) });
  plan.scene.words.push({ id: `same ${lane.id}`, text, x: 0, y: y - 4, look: 'quiet' });
}

/** Arrows of one state from step to step, from its initial state and to its final one. */
function carry(plan: Plan, lane: Lane, state: string, place: number): void {
  const reverse = lane.direction === 'reverse';
  const y = lane.top + lane.height * (place === 0 ? 0.42 : 0.78);
  const role = stateRole(state);
  const push = (id: string, points: Link['points']) =>
    plan.scene.links.push({
      id: `${state} ${lane.id} ${id}`,
      kind: 'arrow',
      role,
      points: reverse ? points.reverse() : points,
    });
  plan.lefts.slice(1).forEach((left, k) => {
    const from = (plan.lefts[k] ?? 0) + plan.boxWidth;
    if ((plan.steps.gaps[k + 1] ?? 0) === 0)
      push(`${k}`, [
        [from + 1, y],
        [left - 1, y],
      ]);
    else skippedSteps(plan, lane, state, y, from, left, k);
  });
  finals(plan, lane, state, y, push);
}

function skippedSteps(plan: Plan, lane: Lane, state: string, y: number, from: number, left: number, k: number): void {
  const middle = (from + left) / 2;
  const reverse = lane.direction === 'reverse';
  const arrow: Link['points'] = reverse
    ? [
        [middle - 10, y],
        [from + 1, y],
      ]
    : [
        [middle + 10, y],
        [left - 1, y],
      ];
  const line: Link['points'] = reverse
    ? [
        [left - 1, y],
        [middle + 10, y],
      ]
    : [
        [from + 1, y],
        [middle - 10, y],
      ];
  const role = stateRole(state);
  plan.scene.links.push({ id: `${state} ${lane.id} over ${k}`, kind: 'arrow', role, points: arrow });
  plan.scene.links.push({ id: `${state} ${lane.id} into ${k}`, kind: 'line', role, points: line });
  plan.scene.words.push({
    id: `${state} ${lane.id} skip ${k}`,
    text: '⋯',
    x: middle,
    y: y + 4,
    anchor: 'middle',
    look: 'quiet',
  });
}

/** h_0 at one end and h_n at the other: the reverse direction has them the other way round. */
function finals(
  plan: Plan,
  lane: Lane,
  state: string,
  y: number,
  push: (id: string, points: Link['points']) => void,
): void {
  const first = plan.lefts[0];
  const last = plan.lefts.at(-1);
  if (first === undefined || last === undefined) return;
  const reverse = lane.direction === 'reverse';
  const name = (tensor: string) => finalName(plan.view.network, tensor, lane.layer, lane.direction);
  const [left, right] = [name(`${state}_${reverse ? 'n' : '0'}`), name(`${state}_${reverse ? '0' : 'n'}`)];
  const edge = last + plan.boxWidth;
  push('first', [
    [first - plan.reach, y],
    [first - 1, y],
  ]);
  push('last', [
    [edge + 1, y],
    [edge + plan.reach, y],
  ]);
  const role = stateRole(state);
  plan.scene.words.push(
    {
      id: `${state} ${lane.id} left`,
      text: left,
      x: first - plan.reach - 3,
      y: y + 4,
      anchor: 'end',
      look: 'code',
      role,
    },
    { id: `${state} ${lane.id} right`, text: right, x: edge + plan.reach + 4, y: y + 4, look: 'code', role },
  );
}

/** Folded, what a step writes goes round and is read at the next. */
function loops(plan: Plan, lane: Lane): void {
  const left = plan.lefts[0] ?? 0;
  const right = left + plan.boxWidth;
  const reverse = lane.direction === 'reverse';
  const states = drawnStates(plan.view.network);
  states.forEach((state, k) => {
    const y = lane.top + lane.height * (k === 0 ? 0.42 : 0.78);
    const out = 16 + LOOP * (states.length - 1 - k);
    const under = lane.top + lane.height + out - 6;
    const points: Link['points'] = [
      [right + 1, y],
      [right + out, y],
      [right + out, under],
      [left - out, under],
      [left - out, y],
      [left - 1, y],
    ];
    const id = `loop ${state} ${lane.id}`;
    plan.scene.links.push({ id, kind: 'arrow', role: stateRole(state), points: reverse ? points.reverse() : points });
  });
  const text = plan.view.say(reverse ? 'view.stack.loop.reverse' : 'view.stack.loop');
  plan.scene.words.push({
    id: `loop ${lane.id}`,
    text,
    x: right + 46,
    y: lane.top + lane.height / 2 + 4,
    look: 'quiet',
  });
}
