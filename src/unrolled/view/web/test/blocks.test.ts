// Pictures as data: nothing overlaps at any width, every cell has its number, padding has none.

import { describe, expect, it } from 'vitest';
import { ends, steadyWindow, validSteps, windowOf } from '../src/blocks/axes';
import { cubeScene } from '../src/blocks/cube';
import { overlaps, sceneBoxes, type Scene } from '../src/blocks/scene';
import { stackScene } from '../src/blocks/stack';
import { stepScene } from '../src/blocks/step';
import { bySize, sumPicture } from '../src/blocks/sum';
import { unitScene } from '../src/blocks/unit';
import type { Network } from '../src/engine/network';
import { explain } from '../src/engine/sums';
import type { Address, Selection } from '../src/engine/types';
import { translate, type Language } from '../src/text';
import { load, names } from './load';

const WIDTHS = [448, 560, 699, 760, 860, 1100, 1300, 1568];
const LANGUAGES: Language[] = ['en', 'zh'];

function selections(network: Network): Selection[] {
  return network.shown.batch
    .filter((sample) => network.lengths(sample) > 0)
    .flatMap((sample) =>
      network.parts.map(({ layer, direction }) => {
        const step = validSteps(network, sample).at(-1) ?? 0;
        return { sample, layer, direction, step, unit: 0, gate: network.gates.at(-1) ?? 'h' };
      }),
    );
}

function scenes(network: Network, selection: Selection, width: number, language: Language): Record<string, Scene> {
  const say = translate(language);
  const run = network.stored(selection.sample);
  const value = (address: Address) => run.value(address);
  const common = { network, selection, width, say };
  const stack = { ...common, pinned: true, before: null };
  return {
    cube: cubeScene({ ...common, batchFirst: true }).scene,
    'cube, time first': cubeScene({ ...common, batchFirst: false }).scene,
    unrolled: stackScene({ ...stack, folded: false }).scene,
    folded: stackScene({ ...stack, folded: true }).scene,
    step: stepScene({ ...common, products: false, value }),
    products: stepScene({ ...common, products: true, value }),
    unit: unitScene({ network, selection, width, survival: false, value }).scene,
  };
}

describe.each(names)('%s', (name) => {
  const network = load(name).network;

  it.each(WIDTHS)('has no overlapping blocks or labels at %i pixels, and none outside', (width) => {
    for (const language of LANGUAGES) {
      for (const selection of selections(network)) {
        for (const [view, scene] of Object.entries(scenes(network, selection, width, language))) {
          const boxes = sceneBoxes(scene);
          const where = `${view}, ${language}, layer ${selection.layer} ${selection.direction}`;
          expect(overlaps(boxes).map(([a, b]) => `${where}: ${a.id} | ${b.id}`)).toEqual([]);
          const outside = boxes.filter((box) => box.left < -1 || box.right > width + 1 || box.top < -1);
          expect(outside.map((box) => `${where}: ${box.id} ${box.left}…${box.right}`)).toEqual([]);
          expect(Math.max(...boxes.map((box) => box.bottom)), where).toBeLessThanOrEqual(scene.height + 1);
        }
      }
    }
  });

  it('has a number in every cell, and finds it there again', () => {
    for (const selection of selections(network)) {
      for (const [view, scene] of Object.entries(scenes(network, selection, 900, 'en'))) {
        for (const { block, xs, ys } of scene.placed) {
          expect([xs.length, ys.length], `${view} ${block.id}`).toEqual([
            block.columns.shown.length,
            block.rows.shown.length,
          ]);
          for (const row of block.rows.shown) {
            for (const column of block.columns.shown) {
              const address = block.at(row, column);
              const where = `${view} ${block.id} [${row}, ${column}]`;
              if (!address) {
                expect(isPadding(network, block.columns.name, row, column, selection), where).toBe(true);
                continue;
              }
              const sample = 'sample' in address ? address.sample : selection.sample;
              expect(network.stored(sample).value(address), where).toBeTypeOf('number');
              expect(block.find(address), where).toEqual([row, column]);
            }
          }
        }
      }
    }
  });

  it('finds nothing of another part', () => {
    for (const selection of selections(network)) {
      const { placed } = stackScene({
        network,
        selection,
        width: 900,
        folded: false,
        pinned: false,
        say: translate('en'),
        before: null,
      }).scene;
      for (const { block } of placed) {
        const other: Address = { of: 'answer', sample: selection.sample, index: [0] };
        expect(block.find(other)).toBeNull();
      }
    }
  });
});

function isPadding(network: Network, axis: string, _row: number, column: number, { sample, step }: Selection): boolean {
  if (axis === 'time') return column >= network.lengths(sample);
  return axis === 'batch' && step >= network.lengths(column);
}

describe('the connections of the stack', () => {
  const network = load('lstm').network;
  const selection: Selection = { sample: 0, layer: 0, direction: 'forward', step: 2, unit: 0, gate: 'f' };
  const { scene } = stackScene({
    network,
    selection,
    width: 1300,
    folded: false,
    pinned: false,
    say: translate('en'),
    before: null,
  });
  const link = (id: string) => scene.links.find((one) => one.id === id)!;

  it('run left to right forwards, right to left in the reverse direction', () => {
    const forward = link('h 0 forward 0').points;
    const reverse = link('h 0 reverse 0').points;
    expect(forward.at(-1)![0]).toBeGreaterThan(forward[0]![0]);
    expect(reverse.at(-1)![0]).toBeLessThan(reverse[0]![0]);
  });

  it('lead from the initial states to the final ones, at opposite ends in the two directions', () => {
    const x = (text: string) => scene.words.find((word) => word.text === text)!.x;
    expect(x('h_0[0]')).toBeLessThan(x('h_n[0]'));
    expect(x('h_n[1]')).toBeLessThan(x('h_0[1]'));
    expect(x('c_n[3]')).toBeLessThan(x('c_0[3]'));
  });

  it('put the input below the layers and the output above them', () => {
    const top = (id: string) => scene.placed.find(({ block }) => block.id === id)!.ys[0]!;
    const order = ['output', 'h l1', 'h l1_reverse', 'h l0', 'h l0_reverse', 'x'].map(top);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it('draw the weights once for each direction of each layer, tethered to every step', () => {
    expect(scene.placed.filter(({ block }) => block.id.startsWith('weight_hh'))).toHaveLength(4);
    expect(scene.links.filter(({ id }) => /^tether 0 forward \d+$/.test(id))).toHaveLength(5);
  });
});

describe('the answer', () => {
  const { network } = load('lstm');
  const drawn = (step: number, direction: 'forward' | 'reverse') => {
    const selection: Selection = { sample: 0, layer: 1, direction, step, unit: 0, gate: 'f' };
    const run = network.stored(0);
    const view = { network, selection, width: 900, products: false, say: translate('en') };
    return stepScene({ ...view, value: (address) => run.value(address) }).placed.some(
      ({ block }) => block.id === 'answer',
    );
  };

  it('stands above the steps that the head reads, and above no other', () => {
    expect([0, 1, 2, 3, 4].map((step) => drawn(step, 'forward'))).toEqual([true, false, false, false, true]);
  });
});

describe('long axes', () => {
  const list = Array.from({ length: 30 }, (_, k) => k);

  it('show the beginning, the neighbourhood of the selected member and the end', () => {
    expect(windowOf(list, 14)).toMatchObject({ shown: [0, 12, 13, 14, 15, 16, 29], gaps: [0, 11, 0, 0, 0, 0, 12] });
    expect(windowOf(list, 0, 5).shown).toEqual([0, 1, 2, 3, 29]);
    expect(windowOf(list, 29, 5).shown).toEqual([0, 26, 27, 28, 29]);
    expect(windowOf([3, 4], 4).shown).toEqual([3, 4]);
  });

  it('stay while they hold what is selected', () => {
    const before = windowOf(list, 14);
    expect(steadyWindow(list, 16, 7, before)).toBe(before);
    expect(steadyWindow(list, 20, 7, before).shown).toContain(20);
  });

  it('show three and the last, and the selected one', () => {
    expect(ends(list)).toMatchObject({ shown: [0, 1, 2, 29], gaps: [0, 0, 0, 26] });
    expect(ends(list, 12).shown).toEqual([0, 1, 2, 12, 29]);
    expect(ends([0, 8, 16, 24, 32, 40, 48, 56], 24).breaks).toEqual([false, false, false, false, true]);
  });
});

describe('a sum', () => {
  const network = load('lstm').network;
  const address: Address = { of: 'gate', gate: 'f', sample: 0, layer: 1, direction: 'reverse', step: 2, unit: 1 };
  const sum = explain(network, network.stored(0), address)!;

  it('sorts its terms by size and runs to their total', () => {
    const sizes = bySize(sum.terms).map((term) => Math.abs(term.product));
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    for (const expanded of [false, true]) {
      const { lines } = sumPicture({ network, sum, width: 900, expanded });
      expect(lines.at(-1)!.running).toBeCloseTo(
        sum.terms.reduce((all, term) => all + term.product, 0),
        10,
      );
    }
  });

  it.each(WIDTHS)('keeps its columns apart at %i pixels', (width) => {
    const { lines, productX } = sumPicture({ network, sum, width, expanded: true });
    const most = Math.max(...lines.map(({ bar }) => bar.width));
    for (const { factors, bar } of lines) {
      const edge = Math.max(0, ...factors.map((factor) => factor.x + 60));
      expect(bar.x).toBeGreaterThanOrEqual(edge + 4);
      expect(bar.x + bar.width).toBeLessThanOrEqual(productX - 54);
      expect(bar.width).toBeLessThanOrEqual(most);
    }
  });
});
