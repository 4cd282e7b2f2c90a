// One step as a network: what comes in times the weights gives each gate; gates and states, unit by unit, give c and h.

import type { Network } from '../engine/network';
import { finalStep } from '../engine/places';
import { reading, type Pick } from '../engine/reading';
import type { Address, Selection } from '../engine/types';
import { fitText, textWidth } from '../draw/words';
import { ends, range } from './axes';
import { answerBlock, rowOf } from './parts';
import { answerScale, inputScale, stateScale } from './scales';
import { edges, type DrawnBlock, type Placed, type Scene } from './scene';
import { HEAD, planStep, RISE, STRIP, type Plan, type StepView } from './step_plan';
import { drawUnits, squash } from './step_units';
import { drawWeights, titleRoom, weightsRight } from './step_weights';

export function stepScene(view: StepView): Scene {
  const plan = planStep(view);
  const { network } = view;
  const { layer } = plan.part;
  const { shown, gaps } = ends(range(network.layers), layer, 5);
  const skipped = (above: number) => gaps[shown.indexOf(above)] ?? 0;
  let y = 4;
  const indices = answersHere(plan);
  if (indices.length > 0) y = drawAnswer(plan, indices, y);
  for (const above of shown.filter((one) => one > layer).reverse())
    y = more(plan, drawStrip(plan, above, y), skipped(above));
  y = more(plan, drawPanel(plan, y), skipped(layer));
  for (const below of shown.filter((one) => one < layer).reverse())
    y = more(plan, drawStrip(plan, below, y), skipped(below));
  if (layer > 0) y = drawInput(plan, y);
  plan.scene.height = y + 4;
  return plan.scene;
}

/** Says how many layers are left out at a place. */
function more(plan: Plan, y: number, count: number): number {
  if (count === 0) return y;
  const text = plan.view.say('view.stack.layers.more', { count });
  plan.scene.words.push({ id: `more at ${y}`, text, x: 0, y: y - 2, look: 'quiet' });
  return y + 16;
}

function stripLeft(plan: Plan): number {
  return plan.wide ? 96 : 84;
}

function arrowUp(plan: Plan, id: string, from: number, to: number, role: string, x = stripLeft(plan) + 12): void {
  plan.scene.links.push({
    id,
    kind: 'arrow',
    role,
    points: [
      [x, from],
      [x, to],
    ],
  });
}

/** The numbers of the answer that are made of what the last layer gives at this step. */
function answersHere({ view }: Plan): number[][] {
  const { network, selection } = view;
  if (!network.head) return [];
  const sizes = network.head.output.shape.slice(1);
  const found = reading(network, network.lengths(selection.sample));
  const picks = found?.picks.map((pick) => stepOf(network, selection, pick)) ?? [];
  if (!picks.includes(selection.step)) return [];
  const count = sizes.reduce((product, size) => product * size, 1);
  const all = Array.from({ length: count }, (_, flat) => unravel(flat, sizes));
  const each = found?.combine === 'each' && picks.length > 1 && sizes.length > 1;
  return (each ? all.filter(([first]) => picks[first ?? 0] === selection.step) : all).slice(0, 24);
}

/** The step at which a head's vector is taken: of a final state the last that its direction read. */
function stepOf(network: Network, { sample }: Selection, pick: Pick): number | 'start' | null {
  if ('step' in pick) return pick.step;
  const part = network.parts[pick.row];
  return part && part.layer === network.layers - 1 ? finalStep(network, sample, part.direction) : null;
}

/** The model's answer, at the head of everything. */
function drawAnswer(plan: Plan, indices: number[][], top: number): number {
  const { network, selection, say } = plan.view;
  const block = answerBlock(network, selection.sample, indices);
  strip(plan, block, say('view.legend.answer'), top, answerScale(network), 44);
  return top + STRIP + RISE + 4;
}

function unravel(flat: number, sizes: number[]): number[] {
  return [...sizes]
    .reverse()
    .reduce<[number[], number]>(
      ([index, rest], size) => [[rest % size, ...index], Math.floor(rest / size)],
      [[], flat],
    )[0];
}

/** Another layer: its h at this step as one row, the directions side by side. */
function drawStrip(plan: Plan, layer: number, top: number): number {
  const { network, selection, say } = plan.view;
  const { sample, step } = selection;
  const width = network.outputWidth(layer);
  const units = (network.shown.hidden[layer] ?? []).filter((unit) => unit < width);
  const entries = network
    .directionsOf(layer)
    .flatMap((direction, d) =>
      units.map((unit): [number, Address] => [
        unit + d * width,
        { of: 'state', state: 'h', sample, layer, direction, step, unit },
      ]),
    );
  const block = rowOf(
    network,
    'hidden',
    `h of layer ${layer}`,
    'h',
    width * network.directionsOf(layer).length,
    new Map(entries),
  );
  strip(plan, block, say('view.step.layer', { layer }), top, stateScale(network, 'h'));
  const last = layer === network.layers - 1;
  if (!last || answersHere(plan).length > 0)
    arrowUp(plan, `up from ${layer}`, top - 1, top - RISE - 1, last ? 'forecast' : 'hidden');
  return top + STRIP + RISE + 4;
}

/** x at the foot, where another layer than the first is drawn in full. */
function drawInput(plan: Plan, top: number): number {
  const { network, selection } = plan.view;
  const { sample, step } = selection;
  const entries = network.shown.feature.map((feature): [number, Address] => [
    feature,
    { of: 'x', sample, step, feature },
  ]);
  const block = rowOf(network, 'input', 'x at the foot', 'x', network.sizes.feature, new Map(entries));
  strip(plan, block, 'x', top, inputScale(network));
  arrowUp(plan, 'up from x', top - 1, top - RISE - 1, 'input');
  return top + STRIP + 6;
}

function strip(plan: Plan, block: DrawnBlock, text: string, top: number, scale: Placed['scale'], most = 24): void {
  const left = stripLeft(plan);
  const count = block.columns.shown.length;
  const pitch = Math.min(most, (plan.view.width - left - 2) / Math.max(1, count));
  const sized = `${text} ${count}/${block.columns.size}`;
  const full = block.columns.size > count && textWidth(sized) <= left - 6 ? sized : text;
  plan.scene.words.push({ id: `${block.id} name`, text: fitText(full, left - 6), x: 0, y: top + 13, look: 'plain' });
  const shape = block.role === 'hidden' ? 'state' : 'cells';
  plan.scene.placed.push({ block, xs: edges(left, count, pitch), ys: [top], cell: [pitch, STRIP], scale, shape });
}

/** The selected layer in full; gives its lower edge. */
function drawPanel(plan: Plan, top: number): number {
  const begin = top + 18;
  drawTitle(plan, begin);
  const isLast = plan.part.layer === plan.view.network.layers - 1;
  if (!isLast || answersHere(plan).length > 0)
    arrowUp(plan, 'out of the panel', begin - 14, top - RISE - 1, isLast ? 'forecast' : 'hidden');
  if (plan.wide) return drawSide(plan, begin);
  const middle = plan.gate === null ? begin + 12 : drawWeights(plan, begin + 14, begin + 14 + titleRoom(plan));
  return drawUnits(plan, plan.left, middle + 12, middle + 12 + HEAD) + 20;
}

/** Weights and units beside each other, each unit on one line. */
function drawSide(plan: Plan, begin: number): number {
  const cells = begin + 14 + HEAD + titleRoom(plan);
  const right = weightsRight(plan);
  const bottom = plan.gate === null ? cells : drawWeights(plan, begin + 14, cells);
  const x = plan.gate === null ? plan.left : right + 40;
  const end = drawUnits(plan, x, cells - HEAD, cells);
  if (plan.gate !== null) squash(plan, right, cells, x);
  return Math.max(bottom, end) + 20;
}

function drawTitle(plan: Plan, y: number): void {
  const { network, say, selection } = plan.view;
  const reverse = plan.part.direction === 'reverse' ? ' ←' : '';
  const name = `${say('view.stack.layer', { layer: plan.part.layer })}${reverse}`;
  plan.scene.words.push({ id: 'panel', text: name, x: 0, y, look: 'strong' });
  const size = network.widths(plan.part.layer);
  const shown = plan.units.length < size ? say('view.step.some', { shown: plan.units.length, size }) : `H=${size}`;
  const step = `t=${selection.step}`;
  plan.scene.words.push({
    id: 'panel sizes',
    text: `${step} · ${shown}`,
    x: textWidth(name) * 1.08 + 12,
    y,
    look: 'quiet',
  });
}
