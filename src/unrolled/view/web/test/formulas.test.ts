import formulas from 'virtual:formulas';
import { expect, it } from 'vitest';
import { formulas as sources } from '../src/formulas';

it('has MathML of every equation', () => {
  expect(Object.keys(formulas)).toEqual(Object.keys(sources));
  for (const [key, mathml] of Object.entries(formulas)) {
    expect(mathml, key).toMatch(/^<math [^>]*alttext="[^"<>]+"[^>]*>.*<\/math>$/s);
    expect(mathml, key).not.toContain('merror');
  }
  expect(formulas['lstm.f']).toContain('alttext="f_t = σ(W_if x_t + b_if + W_hf h_t-1 + b_hf)"');
});

it('has them short', () => {
  expect(JSON.stringify(formulas).length).toBeLessThan(24_000);
});
