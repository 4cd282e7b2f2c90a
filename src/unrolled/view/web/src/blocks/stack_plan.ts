// What is decided of the stack's picture before its first line: which steps and layers, and where their columns stand.

import type { Network } from '../engine/network';
import type { Selection } from '../engine/types';
import { textWidth } from '../draw/words';
import type { Translate } from '../text';
import { ends, MOST, range, steadyWindow, validSteps, type Window } from './axes';
import { emptyScene, type Scene } from './scene';

/** What the layout of a stack depends on; hovering does not. */
export interface StackView {
  network: Network;
  selection: Selection;
  width: number;
  folded: boolean;
  /** Whether all but the selected step fades: something is pinned. */
  pinned: boolean;
  say: Translate;
  /** The steps drawn before, kept while they hold the selected one. */
  before: Window | null;
}

export interface Plan {
  view: StackView;
  scene: Scene;
  steps: Window;
  /** Left edge of each step's box. */
  lefts: number[];
  boxWidth: number;
  cell: [number, number];
  /** Width on the left in which the weights stand. */
  gutter: number;
  /** Room beside the first and the last step for h_0 and h_n. */
  flank: number;
  /** The arrow of a flank, without its name. */
  reach: number;
  /** Room for an ellipsis with its count. */
  skip: number;
  /** The hatched column of padded steps; null without padding. */
  padding: { x: number; width: number } | null;
  /** Layers drawn, bottom to top. */
  layers: Window;
}

export const BOX_PAD = 8;
export const STATE_GAP = 6;
const LEAST = 26; // the shortest way between two steps
const MOST_BETWEEN = 130;

export function planStack(view: StackView): Plan {
  const { network, selection, width } = view;
  const narrow = width < 700;
  const cell: [number, number] = width >= 1200 ? [26, 17] : narrow ? [12, 13] : [20, 14];
  const states = drawnStates(network).length;
  const boxWidth = states * cell[0] + (states - 1) * STATE_GAP + 2 * BOX_PAD;
  const gutter = width >= 800 ? 130 : 64;
  const reach = narrow ? 11 : 18;
  const flank = view.folded ? 0 : reach + 4 + Math.ceil(textWidth(lastName(network), 12, true));
  const padded = !view.folded && network.lengths(selection.sample) < network.sizes.time;
  const hatched = padded ? (narrow ? 28 : 52) : 0;
  const room = width - gutter - 2 * flank - hatched - 6;
  const sizes = { boxWidth, skip: narrow ? 28 : 40 };
  const steps = view.folded ? { shown: [selection.step], gaps: [0], breaks: [false] } : chooseSteps(view, room, sizes);
  const lefts = placeSteps(view, steps, gutter + flank, room, sizes);
  const end = (lefts.at(-1) ?? gutter) + (lefts.length ? boxWidth + flank + 4 : 0);
  const padding = padded ? { x: end, width: hatched } : null;
  const layers = ends(range(network.layers), selection.layer, 6);
  const scene = emptyScene(width);
  return { view, scene, steps, lefts, cell, gutter, flank, reach, padding, layers, ...sizes };
}

/** The states that have a place of their own in the picture. */
export function drawnStates(network: Network): string[] {
  return ['c', 'h'].filter((state) => network.states.includes(state));
}

function lastName(network: Network): string {
  return finalName(network, 'h_n', network.layers - 1, network.directions.at(-1) ?? 'forward');
}

/** How the user finds the first or final state of one direction of one layer: 'h_n[3]'. */
export function finalName(network: Network, tensor: string, layer: number, direction: 'forward' | 'reverse'): string {
  if (network.perLayer) return `${tensor}[${layer}][${direction === 'reverse' ? 1 : 0}]`;
  return `${tensor}[${network.row(layer, direction)}]`;
}

type Sizes = Pick<Plan, 'boxWidth' | 'skip'>;

/** As many steps, up to seven, as fit with arrows and ellipses between them. */
function chooseSteps(view: StackView, room: number, { boxWidth, skip }: Sizes): Window {
  const steps = validSteps(view.network, view.selection.sample);
  const needs = ({ shown, gaps }: Window) =>
    shown.length * (boxWidth + LEAST) - LEAST + skip * gaps.filter((gap) => gap > 0).length;
  for (let most = Math.min(MOST, steps.length); most > 3; most--) {
    const found = steadyWindow(steps, view.selection.step, most, view.before);
    if (needs(found) <= room) return found;
  }
  return steadyWindow(steps, view.selection.step, Math.min(3, steps.length), view.before);
}

function placeSteps(view: StackView, steps: Window, start: number, room: number, { boxWidth, skip }: Sizes): number[] {
  const count = steps.shown.length;
  const skipped = skip * steps.gaps.filter((gap) => gap > 0).length;
  const free = room - count * boxWidth - skipped;
  const between = count > 1 ? Math.min(MOST_BETWEEN, free / (count - 1)) : 0;
  let x = view.folded ? start + Math.max(0, Math.min(room / 2, 240) - boxWidth / 2) : start;
  return steps.gaps.map((gap) => {
    if (gap > 0) x += skip;
    const left = x;
    x += boxWidth + between;
    return left;
  });
}

/** The units of a layer that are drawn: up to seven, otherwise the ends and the selected one. */
export function unitsOf({ view }: Plan, layer: number, state: string): Window {
  const { network, selection } = view;
  const width = network.stateWidth(layer, state);
  const held = (network.shown.hidden[layer] ?? []).filter((unit) => unit < width);
  return ends(held, layer === selection.layer ? selection.unit : null);
}

/** Tops of rows: room for an ellipsis where some are left out, and a little between the halves of `half` rows. */
export function rowTops({ shown, breaks }: Window, top: number, pitch: number, half = Infinity): number[] {
  let y = top;
  return shown.map((row, k) => {
    if (breaks[k]) y += 12;
    if (Math.floor(row / half) > Math.floor((shown[k - 1] ?? row) / half)) y += 6;
    const here = y;
    y += pitch;
    return here;
  });
}

/** ⋮ in every column where rows are left out. */
export function ellipses(plan: Plan, id: string, { shown, breaks }: Window, xs: number[], ys: number[]): void {
  shown.forEach((row, k) => {
    if (!breaks[k]) return;
    const y = (ys[k] ?? 0) - 2;
    xs.forEach((left, column) => {
      const x = left + plan.cell[0] / 2;
      plan.scene.words.push({ id: `${id} more ${row} ${column}`, text: '⋮', x, y, anchor: 'middle', look: 'quiet' });
    });
  });
}
