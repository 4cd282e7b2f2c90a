// The weights of one gate at one step: their blocks, what they are multiplied with, and what that gives.

import { roundUp } from '../draw/colours';
import { fitText, textWidth } from '../draw/words';
import { stepBefore } from '../engine/places';
import type { Address } from '../engine/types';
import { fromBlock, partId, readBlock, weightBlock } from './parts';
import { inputScale, stateScale, weightScale } from './scales';
import { edges, wordBox, type DrawnBlock, type Word } from './scene';
import { BLOCK_GAP, RISE, STRIP, type Plan, type StepView } from './step_plan';

export function titleRoom(plan: Plan): number {
  if (plan.gate === null) return 0;
  return 6 + 16 * Math.max(...layTitles(plan, weightColumns(plan)).map(({ line }) => line + 1));
}

interface Column {
  id: string;
  title: string;
  block: DrawnBlock;
  x: number;
  /** What each column of the weights meets, drawn below. */
  meets: DrawnBlock | null;
  meetsText: string;
  role: string;
}

function weightColumns(plan: Plan): Column[] {
  const { network, selection } = plan.view;
  const { part, cell } = plan;
  const rows = plan.units.map((unit) => plan.firstRow + unit);
  const h = network.widths(part.layer);
  const slice = `[${plan.firstRow}:${plan.firstRow + h}]`;
  const before = stepBefore(network, part.sample, part.direction, selection.step);
  const base = { title: '', meets: null, meetsText: '', role: 'weight' };
  const ih = weightBlock(network, part, 'weight_ih', rows, plan.reads);
  const hh = weightBlock(network, part, 'weight_hh', rows, plan.from);
  const columns: Column[] = [
    {
      ...base,
      id: 'ih',
      block: ih,
      title: `weight_ih_${partId(part)}${slice}`,
      x: plan.left,
      role: part.layer === 0 ? 'input' : 'hidden',
      meets: readBlock(network, part, selection.step, plan.reads),
      meetsText: readText(plan),
    },
    {
      ...base,
      id: 'hh',
      block: hh,
      title: `weight_hh_${partId(part)}${slice}`,
      x: plan.left + plan.reads.length * cell[0] + BLOCK_GAP,
      role: 'hidden',
      meets: fromBlock(network, part, before, plan.from),
      meetsText: before === 'start' ? 'h_0' : `h_{t=${before}}`,
    },
  ];
  const at = (columns[1]?.x ?? 0) + plan.from.length * cell[0] + BLOCK_GAP;
  plan.biases.forEach((name, k) => {
    const block = weightBlock(network, part, name, rows, [0]);
    const title =
      k === 0
        ? plan.biases.map((one) => `${one}_${partId(part)}${plan.biases.length > 1 ? '' : slice}`).join(', ')
        : '';
    columns.push({ ...base, id: name, block, title, x: at + k * biasPitch(plan) });
  });
  return columns;
}

function biasPitch({ cell }: Plan): number {
  return Math.max(6, cell[0]) + 3;
}

function readText(plan: Plan): string {
  const { selection } = plan.view;
  if (plan.part.layer > 0)
    return `x_{t=${selection.step}} = h_{${plan.view.say('view.stack.layer', { layer: plan.part.layer - 1 })}}`;
  return `x_{t=${selection.step}}`;
}

export function weightsRight(plan: Plan): number {
  const [across] = plan.cell;
  const biases = plan.biases.length > 0 ? BLOCK_GAP + plan.biases.length * biasPitch(plan) : 0;
  return plan.left + (plan.reads.length + plan.from.length) * across + BLOCK_GAP + biases;
}

/** The rows of one gate in the weights, what they meet below them; gives the lower edge. */
export function drawWeights(plan: Plan, top: number, cells: number): number {
  const { network, products, value } = plan.view;
  const [across, down] = plan.cell;
  const bottom = cells + plan.units.length * down;
  const columns = weightColumns(plan);
  const ys = edges(cells, plan.units.length, down);
  const shown = productsOf(plan, columns);
  titles(plan, columns, top, cells);
  const lines: MeetingName[] = [];
  columns.forEach((column, k) => {
    const bias = column.block.columns.size === 1 && column.meets === null;
    const wide = bias ? Math.max(6, across) : across;
    const scale = products ? shown.scale : weightScale(network);
    const drawn = products ? { value: (address: Address) => shown.of(address, value) } : {};
    plan.scene.placed.push({
      block: column.block,
      xs: edges(column.x, column.block.columns.shown.length, wide),
      ys,
      cell: [wide, down],
      scale,
      shape: 'weight',
      ...drawn,
    });
    if (k > 0 && column.id !== 'bias_hh') between(plan, column, (cells + bottom) / 2);
    if (column.meets) lines.push(meeting(plan, column, bottom, lines.at(-1) ?? null));
  });
  return bottom + RISE + STRIP + 20 + 16 * Math.max(0, ...lines.map(({ line }) => line));
}

interface Title {
  column: Column;
  text: string;
  x: number;
  line: number;
}

/** Names of the weights, each on a line of its own where they would meet. */
function layTitles(plan: Plan, columns: Column[]): Title[] {
  let end = -Infinity;
  let line = 0;
  return columns
    .filter((one) => one.title !== '')
    .map((column) => {
      const text = fitText(column.title, plan.view.width - 2, 12, true);
      const x = Math.max(0, Math.min(column.x, plan.view.width - 2 - textWidth(text, 12, true)));
      line = x < end + 12 ? line + 1 : 0;
      end = Math.max(end, x + textWidth(text, 12, true));
      return { column, text, x, line };
    });
}

/** The names with a fine line down to each block. */
function titles(plan: Plan, columns: Column[], top: number, cells: number): void {
  for (const { column, text, x, line } of layTitles(plan, columns)) {
    const y = top + 10 + line * 16;
    plan.scene.words.push({ id: `title ${column.id}`, text, x, y, look: 'code' });
    const points: [number, number][] = [
      [column.x + 1, y + 4],
      [column.x + 1, cells - 1],
    ];
    plan.scene.links.push({ id: `lead ${column.id}`, kind: 'line', points });
  }
}

/** + between two blocks of weights. */
function between(plan: Plan, column: Column, y: number): void {
  plan.scene.shapes.push({
    id: `plus ${column.id}`,
    kind: 'square',
    x: column.x - BLOCK_GAP / 2 - 8,
    y: y - 8,
    width: 16,
    height: 16,
    letter: '+',
  });
}

/** Where the name of what a block meets ends, and on which line it stands. */
interface MeetingName {
  end: number;
  line: number;
}

/** The numbers that a block's columns are multiplied with, rising into it. */
function meeting(plan: Plan, column: Column, bottom: number, before: MeetingName | null): MeetingName {
  const { network } = plan.view;
  const meets = column.meets!;
  const [across] = plan.cell;
  const y = bottom + RISE;
  const count = meets.columns.shown.length;
  const scale = meets.role === 'input' ? inputScale(network) : stateScale(network, 'h');
  const shape = meets.role === 'input' ? 'cells' : 'state';
  plan.scene.placed.push({
    block: meets,
    xs: edges(column.x, count, across),
    ys: [y],
    cell: [across, STRIP],
    scale,
    shape,
  });
  const middle = column.x + (count * across) / 2;
  const points: [number, number][] = [
    [middle, y - 2],
    [middle, bottom + 4],
  ];
  plan.scene.links.push({ id: `meet ${column.id}`, kind: 'arrow', role: column.role, points });
  const line = before && before.end + 8 > column.x ? before.line + 1 : 0;
  const word: Word = {
    id: `meets ${column.id}`,
    text: column.meetsText,
    x: column.x,
    y: y + STRIP + 15 + 16 * line,
    look: 'math',
    role: column.role,
  };
  plan.scene.words.push(word);
  return { end: wordBox(word).right, line };
}

/** weight · value of each cell, and a scale that holds them all. */
function productsOf(plan: Plan, columns: Column[]) {
  const of = (address: Address, value: StepView['value']): number | undefined => {
    const weight = value(address);
    if (address.of !== 'weight' || address.column === null) return weight;
    const meets = columns.find((one) => one.block.id.startsWith(address.name))?.meets;
    const other = meets?.at(0, address.column);
    const factor = other ? value(other) : undefined;
    return weight === undefined || factor === undefined ? undefined : weight * factor;
  };
  if (!plan.view.products) return { of, scale: weightScale(plan.view.network) };
  let most = 0;
  for (const { block } of columns) {
    for (const row of block.rows.shown) {
      for (const column of block.columns.shown) {
        const address = block.at(row, column);
        most = Math.max(most, Math.abs((address && of(address, plan.view.value)) ?? 0));
      }
    }
  }
  return { of, scale: { name: 'products', kind: 'signed' as const, limit: roundUp(most) } };
}
