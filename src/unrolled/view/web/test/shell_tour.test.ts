import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodePage } from '../src/decode';
import { key } from '../src/engine/places';
import { compute } from '../src/engine/run';
import { answerOf, largestChange } from '../src/shell/answer';
import { noEdits, withValue } from '../src/shell/edits';
import { fit } from '../src/shell/selection';
import { facts, look, TOUR } from '../src/shell/tour';
import { tables, type Key } from '../src/text';

const page = decodePage(JSON.parse(readFileSync(`${import.meta.dirname}/../../tour.json`, 'utf8')));
const looks = TOUR.map((step) => ({ step, ...look(step, page.networks) }));
const of = (step: string) => looks.find((one) => one.step === step)!;

describe('the guided tour', () => {
  it('has twelve steps', () => expect(TOUR).toHaveLength(12));

  it.each(looks)('$step: the model has what it looks at', ({ network, selection, pinned }) => {
    const chosen = page.networks[network]!;
    expect(fit(chosen, selection)).toEqual(selection);
    if (pinned) expect(chosen.stored(selection.sample).value(pinned)).toBeTypeOf('number');
  });

  it.each(looks)('$step: two sentences in either language, with every fact filled in', (one) => {
    const known = Object.keys(facts(one, page.networks));
    for (const table of Object.values(tables)) {
      for (const part of ['title', 'first', 'second']) {
        const text = table[`tour.${one.step}.${part}` as Key];
        expect(text).toBeTruthy();
        const asked = [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
        expect(known).toEqual(expect.arrayContaining(asked));
        const ends = [...text.matchAll(/[.。](?=\s|$)/g)].map((match) => match.index);
        if (part !== 'title') expect(ends).toEqual([text.length - 1]);
      }
    }
  });

  it('goes through all five levels', () => {
    expect(new Set(looks.map((one) => one.level))).toEqual(new Set(['cube', 'stack', 'step', 'unit', 'sum']));
  });

  it('folds for the loop and unfolds for the steps', () => {
    expect([of('loop').folded, of('unfold').folded]).toEqual([true, false]);
  });

  it('shows a second layer, padding and two directions where it speaks of them', () => {
    const network = (step: string) => page.networks[of(step).network]!;
    expect(of('layers').selection.layer).toBeGreaterThan(0);
    expect(network('finals').lengths(of('finals').selection.sample)).toBeLessThan(network('finals').sizes.time);
    expect(network('directions').directions).toEqual(['forward', 'reverse']);
    expect(of('directions').selection).toMatchObject({ direction: 'reverse', step: 0 });
  });

  it('ends with an edit that the answer follows', () => {
    const { network, selection, edit } = of('edit');
    const chosen = page.networks[network]!;
    const edits = withValue(noEdits(), key(edit!.address), edit!.address, edit!.value);
    const [before, after] = [noEdits(), edits].map((one) => compute(chosen, selection.sample, one));
    const most = largestChange(answerOf(chosen, selection.sample, before!, after!))!;
    // Large enough to be seen in the panel's four digits.
    expect(Math.abs(most.now - most.before)).toBeGreaterThan(0.01 * Math.abs(most.before));
  });
});
