import { beforeEach, describe, expect, it } from 'vitest';
import { decodePage } from '../src/decode';
import { compute } from '../src/engine/run';
import type { Address } from '../src/engine/types';
import { press } from '../src/shell/keys';
import { readHash, writeHash } from '../src/shell/hash';
import { look, TOUR } from '../src/shell/tour';
import { Explorer } from '../src/state.svelte';
import { load } from './load';

const { document } = load('lstm');
let explorer: Explorer;
const X: Address = { of: 'x', sample: 0, step: 1, feature: 0 };
const H: Address = { of: 'state', state: 'h', sample: 0, layer: 1, direction: 'forward', step: 3, unit: 1 };
/** Before the edited step: nothing can have reached it. */
const EARLIER: Address = { of: 'state', state: 'h', sample: 0, layer: 0, direction: 'forward', step: 0, unit: 1 };

beforeEach(() => {
  explorer = new Explorer();
  explorer.load(decodePage(document));
});

describe('the explorer', () => {
  it('says what is wrong when nothing is open', () => {
    const empty = new Explorer();
    expect(empty.open).toBe(false);
    expect(() => empty.page).toThrow('no page is open');
  });

  it('shows what Python recorded until something is changed', () => {
    expect(explorer.run).toBe(explorer.network.stored(explorer.selection.sample));
    expect(explorer.edited).toBe(false);
  });

  it('computes every number after an edit, as the engine does', () => {
    const before = explorer.value(H)!;
    explorer.edit(X, 4);
    expect(explorer.value(X)).toBe(4);
    expect(explorer.value(H)).toBe(compute(explorer.network, 0, explorer.edits).value(H));
    expect(explorer.value(H)).not.toBe(before);
    expect(explorer.original(H)).toBeCloseTo(before, 5);
    expect([explorer.changed(H), explorer.changed(EARLIER)]).toEqual([true, false]);
  });

  it('leaves other samples as they were', () => {
    explorer.edit(X, 4);
    explorer.select({ sample: 1 });
    expect(explorer.edited).toBe(false);
    expect(explorer.run).toBe(explorer.network.stored(1));
  });

  it('undoes edits one by one; a drag of one slider is one', () => {
    for (const value of [1, 2, 3]) explorer.edit(X, value);
    explorer.clamp({ layer: 0, direction: 'forward', gate: 'f', unit: null, step: null, value: 0 });
    explorer.undo();
    expect([explorer.value(X), explorer.edits.clamps.length]).toEqual([3, 0]);
    explorer.undo();
    expect([explorer.edited, explorer.canUndo]).toEqual([false, false]);
  });

  it('undoes an undoing of everything', () => {
    explorer.edit(X, 4);
    explorer.resetEdits();
    expect(explorer.edited).toBe(false);
    explorer.undo();
    expect(explorer.value(X)).toBe(4);
  });

  it('holds a gate, and lets go of it', () => {
    const gate: Address = { of: 'gate', gate: 'f', sample: 0, layer: 0, direction: 'forward', step: 2, unit: 0 };
    const clamp = { layer: 0, direction: 'forward', gate: 'f', unit: 0, step: 2, value: 0.25 } as const;
    explorer.clamp(clamp);
    expect(explorer.value(gate)).toBe(0.25);
    explorer.unclamp(clamp);
    expect(explorer.value(gate)).toBe(explorer.original(gate));
  });

  it('lights up a number wherever it stands', () => {
    explorer.pin(H);
    expect(explorer.selection).toMatchObject({ layer: 1, step: 3, unit: 1, gate: 'h' });
    expect([explorer.isLit({ ...H }), explorer.isLit(EARLIER)]).toEqual([true, false]);
    explorer.hover(EARLIER);
    expect([explorer.isLit(H), explorer.isLit(EARLIER)]).toEqual([false, true]);
    explorer.hover(null);
    explorer.lightUp([EARLIER]);
    expect([explorer.isLit(H), explorer.isLit(EARLIER)]).toEqual([true, true]);
    explorer.pin(null);
    expect([explorer.isLit(H), explorer.isLit(EARLIER)]).toEqual([false, false]);
  });

  it('moves a pinned number through time, and says it', () => {
    explorer.pin(H);
    explorer.move(1);
    expect(explorer.pinned).toEqual({ ...H, step: 4 });
    expect(explorer.announced).toBe(explorer.sentence({ ...H, step: 4 }));
  });

  it('plays to the end of the sample, and then from its beginning', () => {
    explorer.play(true);
    for (let k = 0; k < 20; k++) explorer.tick();
    expect([explorer.playing, explorer.selection.step]).toEqual([false, explorer.network.lengths(0) - 1]);
    explorer.play(true);
    expect([explorer.playing, explorer.selection.step]).toEqual([true, 0]);
  });

  it('plays backwards where the network reads backwards', () => {
    explorer.select({ direction: 'reverse' });
    explorer.play(true);
    for (let k = 0; k < 20; k++) explorer.tick();
    expect(explorer.selection.step).toBe(0);
  });

  it('does not play a sample that has no steps', () => {
    const empty = explorer.network.shown.batch.find((sample) => explorer.network.lengths(sample) === 0)!;
    explorer.select({ sample: empty });
    explorer.play(true);
    expect(explorer.playing).toBe(false);
  });

  it('comes back to a view by its address', () => {
    explorer.pin(H);
    explorer.go('unit');
    explorer.language = 'zh';
    const other = new Explorer();
    other.load(decodePage(document));
    other.recall(readHash(writeHash(explorer.remembered)));
    expect(other.remembered).toEqual(explorer.remembered);
  });

  it('puts back everything after a tour', () => {
    explorer.edit(X, 4);
    explorer.pin(H);
    explorer.go('sum');
    const snapshot = explorer.snapshot();
    const own = explorer.page;
    explorer.load(decodePage(document));
    for (const step of TOUR) explorer.show(look(step, explorer.page.networks));
    explorer.resume(snapshot);
    expect([explorer.page, explorer.level, explorer.value(X), explorer.pinned]).toEqual([own, 'sum', 4, H]);
    explorer.undo();
    expect(explorer.edited).toBe(false);
  });

  it('changes nothing in a network that the page cannot compute', () => {
    const networks = document.networks.map((one) => ({ ...one, computes: 'It has zoneout.' }));
    explorer.load(decodePage({ ...document, networks }));
    explorer.edit(X, 4);
    explorer.clamp({ layer: 0, direction: 'forward', gate: 'f', unit: null, step: null, value: 0 });
    expect([explorer.edited, explorer.canUndo]).toEqual([false, false]);
  });
});

describe('keys', () => {
  it('go to levels, steps and back', () => {
    const none = () => {};
    press(explorer, '5', none);
    press(explorer, 'Escape', none);
    expect(explorer.level).toBe('unit');
    const { step } = explorer.selection;
    press(explorer, ']', none);
    expect(explorer.selection.step).toBe(step + 1);
    press(explorer, '[', none);
    expect(explorer.selection.step).toBe(step);
    press(explorer, ' ', none);
    expect(explorer.playing).toBe(true);
  });

  it('that are none of the page’s are left to the browser', () => {
    for (const key of ['6', '0', 'a', 'Tab', 'Enter', '']) expect(press(explorer, key, () => {})).toBe(false);
  });
});
