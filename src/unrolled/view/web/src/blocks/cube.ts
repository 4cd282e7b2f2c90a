// The batch as a cube: a sheet of (time, feature) for each sample, one behind the other, and two flat cuts through it.

import type { Network } from '../engine/network';
import type { Selection } from '../engine/types';
import { fitText, textWidth } from '../draw/words';
import type { Translate } from '../text';
import { ends, nameOf, type Window } from './axes';
import { inputBlock, sliceBlock } from './parts';
import { inputScale } from './scales';
import { edges, emptyScene, type DrawnBlock, type Placed, type Scene } from './scene';

export interface CubeView {
  network: Network;
  selection: Selection;
  width: number;
  /** Which order of the axes is shown; the numbers do not move. */
  batchFirst: boolean;
  say: Translate;
}

/** One sample's sheet, where it stands in the depth. */
export interface Sheet {
  sample: number;
  block: DrawnBlock;
  x: number;
  y: number;
  width: number;
  height: number;
  place: 'before' | 'selected' | 'behind';
}

export interface Cube {
  scene: Scene;
  /** Back to front. */
  sheets: Sheet[];
  /** The cut at the selected step, as a plane through all sheets. */
  plane: [number, number][];
  /** Edges of the cube. */
  edges: [number, number][][];
}

const GAP = 1.6; // sheets' distance where some are left out
const LEFT = 96; // names of samples and features
const TITLE = 44; // above a flat matrix

interface Plan extends CubeView {
  samples: Window;
  features: number[];
  steps: number[];
  sheetWidth: number;
  sheetHeight: number;
  /** How far each sheet lies behind the first, in sheets. */
  depths: number[];
  /** From one sheet to the next: right and up. */
  pitch: [number, number];
}

export function cubeScene(view: CubeView): Cube {
  const plan = planCube(view);
  const scene = emptyScene(view.width);
  const cube = drawCube(plan, scene);
  const depth = plan.depths.at(-1) ?? 0;
  const cubeRight = LEFT + plan.sheetWidth + depth * plan.pitch[0] + 110;
  const cubeBottom = cubeHeight(plan) + 52;
  const beside = view.width - cubeRight >= 96 + LEFT + plan.samples.shown.length * 26;
  const sliceTop = beside ? 4 : cubeBottom + 16;
  const sliceEnd = drawSlice(plan, scene, beside ? cubeRight : 0, sliceTop);
  scene.height = drawSample(plan, scene, Math.max(cubeBottom, sliceEnd) + 16) + 6;
  return cube;
}

function planCube(view: CubeView): Plan {
  const { network, selection, width } = view;
  const samples = ends(network.shown.batch, selection.sample);
  const depths: number[] = [];
  samples.gaps.forEach((gap, k) => depths.push(k === 0 ? 0 : (depths[k - 1] ?? 0) + (gap > 0 ? 1 + GAP : 1)));
  const most = depths.at(-1) ?? 0;
  const across = Math.max(20, Math.min(34, (width < 700 ? 100 : 170) / Math.max(1, most)));
  const pitch: [number, number] = [across, across * 0.7];
  const depth = most * across;
  const room = (width >= 860 ? width * 0.62 : width) - LEFT - depth - 112;
  const { feature: features, time: steps } = network.shown;
  const sheetWidth = Math.min(Math.max(60, room), steps.length * (width >= 1200 ? 60 : 40));
  const sheetHeight = Math.max(60, Math.min(180, features.length * (width >= 1200 ? 34 : 26)));
  return { ...view, pitch, samples, depths, features, steps, sheetWidth, sheetHeight };
}

function cubeHeight({ sheetHeight, depths, pitch }: Plan): number {
  return 14 + (depths.at(-1) ?? 0) * pitch[1] + sheetHeight;
}

function drawCube(plan: Plan, scene: Scene): Cube {
  const { samples, sheetHeight } = plan;
  const bottom = cubeHeight(plan);
  const at = samples.shown.indexOf(plan.selection.sample);
  const sheets = samples.shown.map((sample, k): Sheet => {
    const depth = plan.depths[k] ?? 0;
    const place = k === at ? 'selected' : k < at ? 'before' : 'behind';
    const [x, y] = [LEFT + depth * plan.pitch[0], bottom - sheetHeight - depth * plan.pitch[1]];
    const block = inputBlock(plan.network, sample, plan.steps, plan.features, `x sheet ${sample}`);
    return { sample, block, x, y, width: plan.sheetWidth, height: sheetHeight, place };
  });
  sheets.forEach((sheet, k) => sampleName(plan, scene, sheet, plan.samples.gaps[k] ?? 0));
  axisNames(plan, scene, bottom);
  return { scene, sheets: sheets.reverse(), plane: plane(plan, bottom), edges: cubeEdges(plan, bottom) };
}

/** The sample's name beside the upper left corner of its sheet: lines there never meet. */
function sampleName({ network, selection, pitch }: Plan, scene: Scene, { sample, x, y }: Sheet, gap: number): void {
  const look = sample === selection.sample ? 'strong' : 'quiet';
  const text = fitText(nameOf(network, 'batch', sample), LEFT - 10);
  scene.words.push({ id: `sample ${sample}`, text, x: x - 6, y: y + 11, anchor: 'end', look });
  if (gap === 0) return;
  const [right, down] = [pitch[0] * 1.3, pitch[1] * 1.3];
  scene.words.push({
    id: `samples before ${sample}`,
    text: `⋯ +${gap}`,
    x: x - 6 - right,
    y: y + 11 + down,
    anchor: 'end',
    look: 'quiet',
  });
}

/** What each axis is, its letter and size, and its place in the index. */
function axisNames(
  { network, batchFirst, say, depths, pitch, sheetWidth, sheetHeight }: Plan,
  scene: Scene,
  bottom: number,
): void {
  const { batch, time, feature } = network.sizes;
  const order = network.batched ? (batchFirst ? ['N', 'T', 'F'] : ['T', 'N', 'F']) : ['T', 'F'];
  const place = (letter: string) =>
    order.includes(letter) ? say('view.cube.axis', { axis: order.indexOf(letter) }) : '';
  const role = (letter: string) => (letter === 'F' ? undefined : 'input');
  scene.words.push(
    { id: 'axis T', text: `T=${time} · ${say('view.axis.time')} →`, x: LEFT, y: bottom + 17, look: 'plain' },
    { id: 'axis T place', text: place('T'), x: LEFT, y: bottom + 33, look: 'code', role: role('T') },
    { id: 'axis F', text: `F=${feature}`, x: LEFT - 8, y: bottom - 18, anchor: 'end', look: 'plain' },
    { id: 'axis F place', text: place('F'), x: LEFT - 8, y: bottom - 3, anchor: 'end', look: 'code' },
  );
  if (!network.batched) return;
  const depth = depths.at(-1) ?? 0;
  const [x, y] = [LEFT + sheetWidth + (depth * pitch[0]) / 2 + 12, bottom - (depth * pitch[1]) / 2 + 8];
  const low = Math.min(y, bottom - (sheetHeight > 40 ? 20 : 0));
  scene.words.push(
    { id: 'axis N', text: `N=${batch} · ${say('view.axis.batch')}`, x, y: low, look: 'plain' },
    { id: 'axis N place', text: place('N'), x, y: low + 15, look: 'code', role: role('N') },
  );
}

/** The parallelogram of the selected step: one column of every sheet. */
function plane({ steps, selection, depths, pitch, sheetWidth, sheetHeight }: Plan, bottom: number): [number, number][] {
  const column = steps.indexOf(selection.step);
  if (column < 0) return [];
  const x = LEFT + ((column + 0.5) * sheetWidth) / steps.length;
  const depth = depths.at(-1) ?? 0;
  const [right, up] = [depth * pitch[0], depth * pitch[1]];
  return [
    [x, bottom],
    [x, bottom - sheetHeight],
    [x + right, bottom - sheetHeight - up],
    [x + right, bottom - up],
  ];
}

function cubeEdges({ depths, pitch, sheetWidth, sheetHeight }: Plan, bottom: number): [number, number][][] {
  const depth = depths.at(-1) ?? 0;
  const corners: [number, number][] = [
    [LEFT, bottom - sheetHeight],
    [LEFT + sheetWidth, bottom - sheetHeight],
    [LEFT + sheetWidth, bottom],
  ];
  return corners.map(([x, y]) => [
    [x, y],
    [x + depth * pitch[0], y - depth * pitch[1]],
  ]);
}

/** The (N, F) matrix at the selected step; gives its lower edge. */
function drawSlice(plan: Plan, scene: Scene, left: number, top: number): number {
  const { network, selection, say, width } = plan;
  const room = width - left - LEFT - 4;
  const samples = network.shown.batch;
  const widest = Math.max(...samples.map((sample) => textWidth(nameOf(network, 'batch', sample))));
  const pitch = Math.min(Math.max(44, Math.min(84, widest + 12)), room / samples.length);
  const title = say('view.cube.slice', { step: nameOf(network, 'time', selection.step) });
  const code = network.batched
    ? plan.batchFirst
      ? `x[:, ${selection.step}]`
      : `x[${selection.step}]`
    : `x[${selection.step}]`;
  const block = sliceBlock(network, selection.step, samples, plan.features);
  return drawMatrix(
    plan,
    scene,
    block,
    { left, top, pitch, title, code, sizes: `N=${network.sizes.batch} · F=${network.sizes.feature}` },
    'batch',
  );
}

/** The (T, F) matrix of the selected sample; gives its lower edge. */
function drawSample(plan: Plan, scene: Scene, top: number): number {
  const { network, selection, say, width, steps } = plan;
  const pitch = Math.min(width >= 1200 ? 96 : 60, (width - LEFT - 4) / steps.length);
  const title = say('view.cube.sample', { sample: nameOf(network, 'batch', selection.sample) });
  const code = network.batched ? (plan.batchFirst ? `x[${selection.sample}]` : `x[:, ${selection.sample}]`) : 'x';
  const block = inputBlock(network, selection.sample, steps, plan.features);
  return drawMatrix(
    plan,
    scene,
    block,
    { left: 0, top, pitch, title, code, sizes: `T=${network.sizes.time} · F=${network.sizes.feature}` },
    'time',
  );
}

interface Flat {
  left: number;
  top: number;
  pitch: number;
  title: string;
  code: string;
  sizes: string;
}

function drawMatrix(plan: Plan, scene: Scene, block: DrawnBlock, flat: Flat, across: 'batch' | 'time'): number {
  const { network, selection, features } = plan;
  const high = Math.max(3, Math.min(22, 240 / features.length));
  const xs = edges(flat.left + LEFT, block.columns.shown.length, flat.pitch);
  const ys = edges(flat.top + TITLE, features.length, high);
  const placed: Placed = { block, xs, ys, cell: [flat.pitch, high], scale: inputScale(network), shape: 'cells' };
  scene.placed.push(placed);
  const id = block.id;
  const name = fitText(flat.title, plan.width - flat.left - 4);
  scene.words.push(
    { id: `${id} title`, text: name, x: flat.left, y: flat.top + 13, look: 'strong' },
    {
      id: `${id} code`,
      text: `${flat.code}  ${flat.sizes}`,
      x: flat.left,
      y: flat.top + 31,
      look: 'code',
      role: 'input',
    },
  );
  const every = Math.ceil(14 / high);
  features.forEach((feature, k) => {
    if (k % every > 0) return;
    const text = fitText(nameOf(network, 'feature', feature), LEFT - 10);
    scene.words.push({
      id: `${id} row ${feature}`,
      text,
      x: flat.left + LEFT - 6,
      y: (ys[k] ?? 0) + high / 2 + 4,
      anchor: 'end',
      look: 'quiet',
    });
  });
  const bottom = flat.top + TITLE + features.length * high;
  const chosen = across === 'time' ? selection.step : selection.sample;
  columnNames(network, scene, placed, across, chosen, bottom + 16);
  return bottom + 22;
}

/** Names of columns, as many as have room, the selected one always. */
export function columnNames(
  network: Network,
  scene: Scene,
  { block, xs, cell }: Placed,
  across: 'batch' | 'time',
  chosen: number,
  y: number,
): void {
  const columns = block.columns.shown;
  const texts = columns.map((column) => nameOf(network, across, column));
  const taken: [number, number][] = [];
  const right = scene.width;
  const put = (k: number) => {
    const column = columns[k];
    if (column === undefined) return;
    const text = fitText(texts[k] ?? '', Math.max(cell[0] - 4, 110));
    const half = textWidth(text) / 2;
    const x = Math.max(half, Math.min(right - half, (xs[k] ?? 0) + cell[0] / 2));
    if (!text || taken.some(([from, to]) => x - half - 5 < to && from < x + half + 5)) return;
    taken.push([x - half, x + half]);
    const look = column === chosen ? 'strong' : 'quiet';
    scene.words.push({ id: `${block.id} column ${column}`, text, x, y, anchor: 'middle', look });
  };
  put(columns.indexOf(chosen));
  const widest = Math.max(...texts.map((text) => Math.min(110, textWidth(text)))) + 12;
  const every = niceStep(widest / cell[0]);
  columns.forEach((_, k) => k % every === 0 && put(k));
}

/** 1, 2, 5, 10, 20, …: the first that is not below `least`. */
function niceStep(least: number): number {
  let power = 1;
  while (power * 10 < least) power *= 10;
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= least) ?? 1;
}
