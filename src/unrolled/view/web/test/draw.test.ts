// Colours of values, and texts made to fit.

import { describe, expect, it } from 'vitest';
import { colour, inkOn, rgb, roundUp, type Scale } from '../src/draw/colours';
import { cellText, fitText, short, textWidth } from '../src/draw/words';

const signed: Scale = { name: 'h', kind: 'signed', limit: 2 };
const unit: Scale = { name: 'f', kind: 'unit', limit: 1 };

/** The contrast of two colours as in WCAG 2. */
function contrast(one: readonly number[], other: readonly number[]): number {
  const light = (bytes: readonly number[]) => {
    const [r = 0, g = 0, b = 0] = bytes.map((byte) =>
      byte <= 10.31475 ? byte / 3294.6 : ((byte / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

describe('colours', () => {
  it('are neutral at zero and opposite at the ends', () => {
    for (const dark of [false, true]) {
      const [r, g, b] = rgb(0, signed, dark);
      expect(Math.max(r, g, b) - Math.min(r, g, b)).toBeLessThan(12);
      const [low, high] = [rgb(-1.2, signed, dark), rgb(1.2, signed, dark)];
      expect(low[0]).toBeGreaterThan(low[2]);
      expect(high[2]).toBeGreaterThan(high[1]);
    }
  });

  it('stay at the ends of their range outside it', () => {
    expect(colour(99, signed, false)).toBe(colour(2, signed, false));
    expect(colour(-1, unit, false)).toBe(colour(0, unit, false));
  });

  it('leave numbers on them readable', () => {
    for (const dark of [false, true]) {
      for (const scale of [signed, unit]) {
        for (let share = -1; share <= 1; share += 0.01) {
          const value = share * scale.limit;
          const ink = inkOn(value, scale, dark) === '#fff' ? [255, 255, 255] : [0, 0, 0];
          expect(contrast(rgb(value, scale, dark), ink)).toBeGreaterThan(4.5);
        }
      }
    }
  });

  it('have ranges people can read', () => {
    expect([0.13, 0.8, 1, 1.01, 2.6, 4.2, 97].map(roundUp)).toEqual([0.15, 0.8, 1, 1.5, 3, 5, 100]);
    expect([0, NaN, Infinity].map(roundUp)).toEqual([1, 1, 1]);
  });
});

describe('texts', () => {
  it('are cut to fit, or left out', () => {
    expect(fitText('Berlin', 200)).toBe('Berlin');
    const cut = fitText('a rather long name of a city', 80);
    expect(cut.endsWith('…')).toBe(true);
    expect(textWidth(cut)).toBeLessThanOrEqual(80);
    expect(fitText('Berlin', 3)).toBe('');
  });

  it('write numbers with true minus signs', () => {
    expect(short(-1.23456)).toBe('−1.235');
    expect(short(0)).toBe('0');
    expect(short(0.00001)).toBe('1.0e−5');
    expect(short(undefined)).toBe('–');
    expect([cellText(-0.001), cellText(-0.5), cellText(123.4)]).toEqual(['0.00', '−0.50', '123']);
  });
});
