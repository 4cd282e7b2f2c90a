import { describe, expect, it } from 'vitest';
import type { Selection } from '../src/engine/types';
import { LEVELS } from '../src/shell/hash';
import { element, fileName, lines, picture } from '../src/shell/picture';

const HERE: Selection = { sample: 2, layer: 1, direction: 'reverse', step: 3, unit: 4, gate: 'f' };

describe('a saved picture', () => {
  it('is named after what it shows', () => {
    expect(fileName('sum', HERE, 'svg')).toBe('unrolled-sum-sample2-layer1-reverse-step3-unit4-f.svg');
    expect(fileName('cube', { ...HERE, direction: 'forward' }, 'png')).toBe('unrolled-cube-sample2-step3.png');
    for (const level of LEVELS) expect(fileName(level, HERE, 'svg')).toMatch(/^unrolled-[\w-]+\.svg$/);
  });

  it('escapes what names may hold', () => {
    expect(element('text', { 'data-name': '"<&>"' })).toBe('<text data-name="&quot;&lt;&amp;&gt;&quot;"/>');
    expect(picture({ width: 1, height: 1 }, 'a < b', '#fff', [])).toContain('<title>a &lt; b</title>');
  });

  it('leaves out attributes without a value', () => {
    expect(element('rect', { x: 0, rx: undefined, fill: 'none' })).toBe('<rect x="0" fill="none"/>');
  });

  it('paints its background first, then its parts in order', () => {
    const svg = picture({ width: 30, height: 20 }, 'T', '#123456', ['<a/>', '<b/>']);
    expect(svg).toMatch(
      /viewBox="0 0 30 20".*<rect width="30" height="20" fill="#123456"\/>\s*<a\/>\s*<b\/>\s*<\/svg>$/s,
    );
  });
});

describe('words', () => {
  const word = (text: string, x: number, y: number, width = 20) => ({ text, x, y, width, height: 14 });

  it('side by side are one line', () => {
    expect(lines([word('one', 0, 0), word('two', 25, 0), word('three', 0, 18)])).toEqual([
      { ...word('one two', 0, 0), width: 45 },
      word('three', 0, 18),
    ]);
  });

  it('stay one line when a face sits a little lower', () => {
    expect(lines([word('h', 0, 0), word('after', 25, 3)])).toHaveLength(1);
  });
});
