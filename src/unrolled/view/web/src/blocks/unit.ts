// One unit over time: its gates and states as rows of cells under their curves, all on one time axis.

import type { Network } from '../engine/network';
import type { Address, Selection } from '../engine/types';
import { columnNames } from './cube';
import { gateBlock, gateRole, stateBlock, stateRole, type Part } from './parts';
import { gateScale, stateScale } from './scales';
import { edges, emptyScene, type DrawnBlock, type Placed, type Scene } from './scene';
import { overlayValue } from './overlay';

export interface UnitView {
  network: Network;
  selection: Selection;
  width: number;
  /** Whether the row of what survives is drawn. */
  survival: boolean;
  value: (address: Address) => number | undefined;
}

/** A row's curve: the value at each shown step, as points on paper. */
export interface Curve {
  id: string;
  role: string;
  points: [number, number][];
  /** Where zero lies. */
  zero: number;
  block: DrawnBlock;
  /** Where the row's number is written. */
  middle: number;
}

/** A bar of what a step wrote that is still there at the end. */
export interface Bar {
  step: number;
  x: number;
  y: number;
  width: number;
  height: number;
  value: number;
}

export interface UnitPicture {
  scene: Scene;
  curves: Curve[];
  bars: Bar[];
  /** Where bars are zero. */
  ground: number;
  left: number;
  right: number;
  pitch: number;
  steps: number[];
  bottom: number;
}

const CURVE = 46;
const CELLS = 18;
const GAP = 16;
const SURVIVAL = 64;

interface Row {
  name: string;
  block: DrawnBlock;
  scale: Placed['scale'];
  gate: boolean;
  role: string;
}

export function unitScene(view: UnitView): UnitPicture {
  const { network, width } = view;
  const left = 76;
  const room = width - 62 - left;
  const steps = network.shown.time;
  const pitch = Math.min(110, room / steps.length);
  const right = left + steps.length * pitch;
  const scene = emptyScene(width);
  const picture: UnitPicture = { scene, curves: [], bars: [], ground: 0, left, right, pitch, steps, bottom: 0 };
  let y = 6;
  for (const row of rowsOf(view)) y = drawRow(view, picture, row, y);
  if (view.survival) y = drawSurvival(view, picture, y);
  const last = scene.placed.at(-1);
  if (last) columnNames(network, scene, last, 'time', view.selection.step, y + 6);
  picture.bottom = y - GAP + 4;
  cursor(view, picture);
  scene.height = y + 14;
  return picture;
}

/** Gates first, in the equation's order, then c and h. */
function rowsOf({ network, selection }: UnitView): Row[] {
  const part: Part = { sample: selection.sample, layer: selection.layer, direction: selection.direction };
  const { layer, unit } = selection;
  const steps = network.shown.time;
  const gates = network.gatesOf(layer).filter((gate) => gate !== 'h');
  const states = [...network.statesOf(layer)].reverse().filter((state) => unit < network.stateWidth(layer, state));
  return [
    ...gates.map((name): Row => {
      return {
        name,
        block: gateBlock(network, part, name, steps, [unit]),
        scale: gateScale(network, name),
        gate: true,
        role: gateRole(name),
      };
    }),
    ...states.map((name): Row => {
      return {
        name,
        block: stateBlock(network, part, name, steps, [unit]),
        scale: stateScale(network, name),
        gate: false,
        role: stateRole(name),
      };
    }),
  ];
}

function drawRow({ value }: UnitView, picture: UnitPicture, row: Row, top: number): number {
  const { scene, left, pitch, steps } = picture;
  const low = row.scale.kind === 'unit' ? 0 : -row.scale.limit;
  const at = (number: number) =>
    top + CURVE - ((Math.max(low, Math.min(row.scale.limit, number)) - low) / (row.scale.limit - low)) * CURVE;
  const unit = row.block.rows.shown[0] ?? 0;
  const points = steps.flatMap((step, k): [number, number][] => {
    const address = row.block.at(unit, step);
    const number = address ? value(address) : undefined;
    return number === undefined ? [] : [[left + (k + 0.5) * pitch, at(number)]];
  });
  picture.curves.push({
    id: row.name,
    role: row.role,
    points,
    zero: at(0),
    block: row.block,
    middle: top + CURVE + CELLS - 4,
  });
  const shape = row.gate ? 'cells' : 'state';
  const ys = [top + CURVE + 3];
  scene.placed.push({
    block: row.block,
    xs: edges(left, steps.length, pitch),
    ys,
    cell: [pitch, CELLS],
    scale: row.scale,
    shape,
  });
  rowNames(scene, row, top, low);
  return top + CURVE + CELLS + 3 + GAP;
}

/** The gate's letter in its circle, or the state's name, and the ends of its range. */
function rowNames(scene: Scene, row: Row, top: number, low: number): void {
  const middle = top + CURVE / 2;
  if (row.gate) {
    scene.shapes.push({
      id: `letter ${row.name}`,
      kind: 'circle',
      x: 4,
      y: middle - 12,
      width: 24,
      height: 24,
      letter: row.name,
      role: row.role,
    });
  } else {
    scene.words.push({
      id: `name ${row.name}`,
      text: row.name,
      x: 16,
      y: middle + 5,
      anchor: 'middle',
      look: 'math',
      role: row.role,
    });
  }
  const text = (number: number) => String(number).replace('-', '−');
  scene.words.push(
    { id: `high ${row.name}`, text: text(row.scale.limit), x: 70, y: top + 9, anchor: 'end', look: 'quiet' },
    { id: `low ${row.name}`, text: text(low), x: 70, y: top + CURVE, anchor: 'end', look: 'quiet' },
  );
}

/** What each step wrote into the state that is still there after the last, as bars that add up to it. */
function drawSurvival({ network, selection }: UnitView, picture: UnitPicture, top: number): number {
  const { scene, left, pitch, steps } = picture;
  const state = network.states.includes('c') ? 'c' : 'h';
  const { sample, layer, direction, unit } = selection;
  const values = steps.map((step) => {
    return overlayValue(network, 'contributions', { of: 'state', state, sample, layer, direction, step, unit }) ?? 0;
  });
  const most = Math.max(1e-12, ...values.map(Math.abs));
  const ground = top + SURVIVAL / 2;
  picture.ground = ground;
  values.forEach((value, k) => {
    const height = (Math.abs(value) / most) * (SURVIVAL / 2 - 2);
    const gap = Math.min(3, pitch * 0.15);
    const x = left + k * pitch + gap;
    picture.bars.push({
      step: steps[k] ?? 0,
      x,
      y: value > 0 ? ground - height : ground,
      width: Math.max(0.75, pitch - 2 * gap),
      height,
      value,
    });
  });
  const limit = `±${Number(most.toPrecision(2))}`;
  scene.words.push(
    { id: 'survival', text: `→ ${state}_n`, x: 4, y: ground + 4, look: 'code', role: stateRole(state) },
    { id: 'survival range', text: limit, x: 70, y: top + 9, anchor: 'end', look: 'quiet' },
  );
  return top + SURVIVAL + GAP;
}

function cursor({ selection }: UnitView, picture: UnitPicture): void {
  const k = picture.steps.indexOf(selection.step);
  if (k < 0) return;
  const width = Math.max(3, picture.pitch);
  const x = picture.left + (k + 0.5) * picture.pitch - width / 2;
  picture.scene.shapes.unshift({ id: 'cursor', kind: 'cursor', x, y: 0, width, height: picture.bottom });
}
