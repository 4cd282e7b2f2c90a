import { describe, expect, it } from 'vitest';
import { readHash, writeHash, type Remembered } from '../src/shell/hash';

const STATE: Remembered = {
  network: 1,
  level: 'unit',
  overlay: 'gradient_flow',
  folded: true,
  language: 'zh',
  theme: 'dark',
  selection: { sample: 2, layer: 1, direction: 'reverse', step: 3, unit: 4, gate: 'f' },
};

describe('the address of a view', () => {
  it('gives back what it was given', () => {
    expect(readHash(writeHash(STATE))).toEqual(STATE);
  });

  it('leaves out what is as on a fresh page', () => {
    const plain: Remembered = { ...STATE, network: 0, overlay: null, folded: false, theme: 'auto' };
    expect(writeHash(plain)).not.toMatch(/network|overlay|folded|theme/);
    const { network, overlay, folded, theme, ...rest } = plain;
    expect([network, overlay, folded, theme]).toEqual([0, null, false, 'auto']);
    expect(readHash(writeHash(plain))).toEqual(rest);
  });

  it('takes nothing from a damaged address', () => {
    expect(readHash('#level=9&theme=pink&lang=fr&sample=-1&step=1e3&unit=two&direction=up&overlay=x&network=')).toEqual(
      {
        selection: {},
      },
    );
    expect(readHash('')).toEqual({ selection: {} });
    expect(readHash('#%%%')).toEqual({ selection: {} });
  });

  it('takes the sound part of a partly damaged one', () => {
    expect(readHash('#level=sum&theme=pink&step=5')).toEqual({ level: 'sum', selection: { step: 5 } });
  });
});
