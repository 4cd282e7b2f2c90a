import { describe, expect, it } from 'vitest';
import type { AnalysisDocument } from '../src/document';
import { factsOf } from '../src/shell/facts';

const array = { axes: [], dtype: '<f4', shape: [], data: '' } as unknown as AnalysisDocument['array'];
const part = (of: string, facts: AnalysisDocument['facts']): AnalysisDocument => {
  return { name: 'saturation', layer: 0, direction: 'forward', of, array, facts };
};

describe('the facts of an analysis', () => {
  it('stand there once, however many gates have them', () => {
    const ends = { low: 0.1, high: 0.9 };
    expect(factsOf([part('i', ends), part('f', ends), part('o', ends)])).toEqual([
      ['low', 0.1],
      ['high', 0.9],
    ]);
  });

  it('give the largest gap of all parts', () => {
    const gap = (largest_gap: number) => part('c', { largest_gap, method: 'exact' });
    expect(factsOf([gap(1e-8), gap(3e-7), gap(0)])).toEqual([
      ['largest_gap', 3e-7],
      ['method', 'exact'],
    ]);
  });

  it('are none where there are none', () => {
    expect(factsOf([part('f', {})])).toEqual([]);
  });
});
