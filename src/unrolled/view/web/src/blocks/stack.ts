// The stack: layers bottom to top, input at the foot, output at the head; over time, or folded into one loop.

import { fitText, textWidth } from '../draw/words';
import { ends, nameOf, sizesOf, type Window } from './axes';
import { inputBlock, outputBlock } from './parts';
import { inputScale, stateScale } from './scales';
import type { Link, Placed, Scene, Word } from './scene';
import { drawLane } from './stack_lane';
import { ellipses, planStack, rowTops, unitsOf, type Plan, type StackView } from './stack_plan';

const RISE = 24; // between layers: room for an arrow
const PLATE = 6; // around the lanes of a layer with two directions
const TETHER_ROOM = 14; // above a layer's boxes: its tether
const LOOP_ROOM = 30; // below a folded layer's box

export function stackScene(view: StackView): { scene: Scene; steps: Window } {
  const plan = planStack(view);
  const top = 4;
  let below = drawOutput(plan, top);
  for (const layer of [...plan.layers.shown].reverse()) below = drawLayer(plan, layer, below);
  const foot = drawInput(plan, below);
  drawSteps(plan, foot);
  drawCursor(plan, top + 20, foot);
  plan.scene.height = foot + 56;
  return { scene: plan.scene, steps: plan.steps };
}

/** Where the band above ends: what rises from below arrives there. */
interface Below {
  top: number;
  arrival: number;
}

/** `output` at the head: the last layer's h, the directions one under the other; gives where the next band begins. */
function drawOutput(plan: Plan, top: number): Below {
  const { network, selection, say } = plan.view;
  const last = network.layers - 1;
  const width = network.outputWidth(last);
  const directions = network.directionsOf(last);
  const rows = outputRows(plan, last, width);
  const ys = rowTops(rows, top + 24, plan.cell[1], width);
  const block = outputBlock(network, selection.sample, plan.steps.shown, rows.shown);
  const xs = plan.lefts.map((left) => left + (plan.boxWidth - plan.cell[0]) / 2);
  put(plan, { block, xs, ys, cell: plan.cell, scale: stateScale(network, 'h'), shape: 'state', ...fading(plan) });
  const bottom = (ys.at(-1) ?? top) + plan.cell[1];
  const size = `${directions.length > 1 ? `${directions.length}·H` : 'H'}=${width * directions.length}`;
  plan.scene.words.push(
    { id: 'output', text: 'output', x: 0, y: top + 12, look: 'code', role: 'hidden' },
    { id: 'output sizes', text: sizesOf(network, size), x: 56, y: top + 12, look: 'quiet' },
  );
  ellipses(plan, 'output', rows, xs, ys);
  halves(plan, rows.shown, ys, xs, width, directions.length);
  hatch(plan, 'output', top + 24, bottom);
  if (plan.padding !== null) {
    const text = say('view.stack.padding.zero');
    plan.scene.words.push({
      id: 'padding is 0',
      text,
      x: plan.padding.x + plan.padding.width / 2,
      y: top + 19,
      anchor: 'middle',
      look: 'code',
    });
  }
  return { top: bottom + RISE, arrival: bottom + 1 };
}

/** The drawn units of each direction, as columns of `output`. */
function outputRows(plan: Plan, layer: number, width: number): Window {
  const units = unitsOf(plan, layer, 'h');
  const directions = plan.view.network.directionsOf(layer);
  return {
    shown: directions.flatMap((_, d) => units.shown.map((unit) => unit + d * width)),
    gaps: directions.flatMap(() => units.gaps),
    breaks: directions.flatMap(() => units.breaks),
  };
}

/** Says which half of `output` is whose, where there are two. */
function halves(plan: Plan, rows: number[], ys: number[], xs: number[], width: number, directions: number): void {
  if (directions < 2 || xs.length === 0) return;
  for (let d = 0; d < directions; d++) {
    const first = ys[rows.findIndex((row) => row >= d * width)] ?? 0;
    const text = d === 0 ? `[..., :${width}]` : `[..., ${width}:]`;
    const short = fitText(text, (xs[0] ?? 0) - 8, 12, true);
    plan.scene.words.push({
      id: `half ${d}`,
      text: short,
      x: (xs[0] ?? 0) - 6,
      y: first + 11,
      anchor: 'end',
      look: 'code',
    });
  }
}

/** One layer, its directions one under the other. */
function drawLayer(plan: Plan, layer: number, { top, arrival }: Below): Below {
  const { network, folded } = plan.view;
  const directions = network.directionsOf(layer);
  const plated = directions.length > 1 && !folded;
  const lanes: { top: number; bottom: number }[] = [];
  for (const direction of directions) lanes.push(drawLane(plan, layer, direction, lanes.at(-1)?.bottom ?? top));
  const [first, last] = [lanes[0]?.top ?? top, lanes.at(-1)?.bottom ?? top];
  const bottom = last + (plated ? PLATE + 2 : 0);
  const upper = plated ? first - TETHER_ROOM : first;
  if (plated) plates(plan, layer, upper, bottom);
  hatch(plan, `layer ${layer}`, first, last);
  rises(plan, `out of ${layer}`, upper - 1, arrival, 'hidden');
  const skipped = plan.layers.gaps[plan.layers.shown.indexOf(layer)] ?? 0;
  const next = bottom + (folded ? LOOP_ROOM : 0);
  if (skipped > 0) moreLayers(plan, layer, skipped, next + 18);
  return { top: next + RISE + (skipped > 0 ? 16 : 0), arrival: bottom + 1 };
}

function moreLayers(plan: Plan, layer: number, count: number, y: number): void {
  const text = plan.view.say('view.stack.layers.more', { count });
  plan.scene.words.push({ id: `layers below ${layer}`, text, x: 0, y, look: 'quiet' });
}

function plates(plan: Plan, layer: number, top: number, bottom: number): void {
  plan.lefts.forEach((left, k) => {
    const id = `plate ${layer} ${plan.steps.shown[k]}`;
    const width = plan.boxWidth + 2 * PLATE;
    plan.scene.shapes.push({ id, kind: 'plate', x: left - PLATE, y: top, width, height: bottom - top });
  });
}

/** Arrows upwards from one band to the next, one for each step. */
function rises(plan: Plan, id: string, from: number, to: number, role: string): void {
  plan.lefts.forEach((left, k) => {
    const x = left + plan.boxWidth / 2;
    const step = plan.steps.shown[k] ?? 0;
    const points: Link['points'] = [
      [x, from],
      [x, to + 1],
    ];
    plan.scene.links.push({ id: `${id} ${step}`, kind: 'arrow', points, role, faded: isFaded(plan, step) });
  });
}

/** x at the foot; gives its lower edge. */
function drawInput(plan: Plan, { top, arrival }: Below): number {
  const { network, selection } = plan.view;
  const features = ends(network.shown.feature);
  const ys = rowTops(features, top, plan.cell[1]);
  const xs = plan.lefts.map((left) => left + (plan.boxWidth - plan.cell[0]) / 2);
  const block = inputBlock(network, selection.sample, plan.steps.shown, features.shown);
  put(plan, { block, xs, ys, cell: plan.cell, scale: inputScale(network), shape: 'cells', ...fading(plan) });
  ellipses(plan, 'x', features, xs, ys);
  rises(plan, 'x', top - 1, arrival, 'input');
  const bottom = (ys.at(-1) ?? top) + plan.cell[1];
  hatch(plan, 'x', top, bottom);
  features.shown.forEach((feature, k) => featureName(plan, feature, ys[k] ?? 0, xs[0] ?? 0));
  return bottom;
}

function featureName(plan: Plan, feature: number, top: number, right: number): void {
  const name = nameOf(plan.view.network, 'feature', feature);
  const text = fitText(name, right - 10);
  plan.scene.words.push({ id: `feature ${feature}`, text, x: right - 6, y: top + 11, anchor: 'end', look: 'quiet' });
}

/** Indices and names of the steps, ellipses between them, and the sizes of x. */
function drawSteps(plan: Plan, foot: number): void {
  const { network, selection, say } = plan.view;
  const pitch = (plan.lefts[1] ?? Infinity) - (plan.lefts[0] ?? 0);
  plan.lefts.forEach((left, k) => {
    const step = plan.steps.shown[k] ?? 0;
    const x = left + plan.boxWidth / 2;
    const look: Word['look'] = step === selection.step ? 'strong' : 'quiet';
    plan.scene.words.push({ id: `step ${step}`, text: `t=${step}`, x, y: foot + 16, anchor: 'middle', look });
    const text = stepName(plan, step, pitch);
    if (text)
      plan.scene.words.push({ id: `step name ${step}`, text, x, y: foot + 31, anchor: 'middle', look: 'quiet' });
    skip(plan, k, foot);
  });
  if (plan.padding !== null) {
    const text = fitText(say('view.padding'), plan.padding.width + 16);
    plan.scene.words.push({
      id: 'padding',
      text,
      x: plan.padding.x + plan.padding.width,
      y: foot + 16,
      anchor: 'end',
      look: 'quiet',
    });
  }
  plan.scene.words.push(
    { id: 'x', text: 'x', x: 0, y: foot + 50, look: 'code', role: 'input' },
    { id: 'x sizes', text: sizesOf(network, `F=${network.sizes.feature}`), x: 16, y: foot + 50, look: 'quiet' },
  );
}

/** The user's name of a step, where those of all drawn steps have room, otherwise of the selected one alone. */
function stepName({ view, steps }: Plan, step: number, pitch: number): string {
  const names = view.network.names.time;
  const all = names && steps.shown.every((one) => textWidth(names[one] ?? '') <= pitch - 8);
  if (all) return names[step] ?? '';
  return names && step === view.selection.step ? fitText(names[step] ?? '', 140) : '';
}

/** "+12" at the foot, where steps are left out. */
function skip(plan: Plan, k: number, foot: number): void {
  const gap = plan.steps.gaps[k] ?? 0;
  if (gap === 0) return;
  const x = ((plan.lefts[k] ?? 0) + (plan.lefts[k - 1] ?? 0) + plan.boxWidth) / 2;
  plan.scene.words.push({ id: `skip ${k}`, text: `+${gap}`, x, y: foot + 16, anchor: 'middle', look: 'quiet' });
}

/** A band behind the selected step. */
function drawCursor(plan: Plan, top: number, foot: number): void {
  const k = plan.steps.shown.indexOf(plan.view.selection.step);
  const left = plan.lefts[k];
  if (left === undefined || plan.view.folded) return;
  const width = plan.boxWidth + 20;
  plan.scene.shapes.unshift({ id: 'cursor', kind: 'cursor', x: left - 10, y: top - 2, width, height: foot + 22 - top });
}

function hatch(plan: Plan, id: string, top: number, bottom: number): void {
  if (plan.padding === null) return;
  const height = bottom - top;
  plan.scene.shapes.push({
    id: `padding ${id}`,
    kind: 'hatch',
    x: plan.padding.x,
    y: top,
    width: plan.padding.width,
    height,
  });
}

function put(plan: Plan, placed: Placed): void {
  plan.scene.placed.push(placed);
}

function isFaded({ view }: Plan, step: number): boolean {
  return view.pinned && !view.folded && step !== view.selection.step;
}

function fading(plan: Plan): Pick<Placed, 'alive'> {
  return plan.view.pinned && !plan.view.folded ? { alive: (_, step) => step === plan.view.selection.step } : {};
}
