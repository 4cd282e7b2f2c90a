// The colours of values: signed numbers on a diverging map centred on zero, numbers between 0 and 1 on cividis.

import { interpolateRgbBasis } from 'd3-interpolate';

/** How the numbers of a kind become colours: from -limit to limit, or from 0 to limit. */
export interface Scale {
  /** Whose range it is, as in the legend: 'x', 'h', 'c', 'gates', 'weights'. */
  name: string;
  kind: 'signed' | 'unit';
  limit: number;
}

type RGB = readonly [number, number, number];

const STEPS = 256;

// PuOr: orange below zero, purple above; on dark paper zero is dark, so that large numbers are what shines.
const SIGNED = {
  light: [
    '#7f3b08',
    '#b35806',
    '#e08214',
    '#fdb863',
    '#fee0b6',
    '#f7f7f7',
    '#d8daeb',
    '#b2abd2',
    '#8073ac',
    '#542788',
    '#2d004b',
  ],
  dark: [
    '#ffe3bd',
    '#fdb863',
    '#e08a28',
    '#a75e14',
    '#5e3a16',
    '#2e3035',
    '#413a63',
    '#6a5c9c',
    '#978bc4',
    '#bfb7e0',
    '#ebe7fa',
  ],
};
const CIVIDIS = [
  '#00224e',
  '#123570',
  '#3b496c',
  '#575d6d',
  '#707173',
  '#8a8678',
  '#a59c74',
  '#c3b369',
  '#e1cc55',
  '#fee838',
];

function table(stops: string[]): RGB[] {
  const ramp = interpolateRgbBasis(stops);
  return Array.from({ length: STEPS }, (_, k) => channels(ramp(k / (STEPS - 1))));
}

function channels(colour: string): RGB {
  const [r = 0, g = 0, b = 0] = (colour.match(/\d+/g) ?? []).map(Number);
  return [r, g, b];
}

const TABLES = { light: table(SIGNED.light), dark: table(SIGNED.dark), unit: table(CIVIDIS) };

/** The colour of a value as three bytes; what lies outside the range takes the colour of its end. */
export function rgb(value: number, scale: Scale, dark: boolean): RGB {
  const share = scale.kind === 'unit' ? value / scale.limit : (value / scale.limit + 1) / 2;
  const place = Math.round(Math.max(0, Math.min(1, share)) * (STEPS - 1));
  const colours = scale.kind === 'unit' ? TABLES.unit : dark ? TABLES.dark : TABLES.light;
  return colours[place] ?? [0, 0, 0];
}

/** The colour of a value for a `fill`. */
export function colour(value: number, scale: Scale, dark: boolean): string {
  return `rgb(${rgb(value, scale, dark).join(' ')})`;
}

/** Black or white, whichever can be read on the colour of a value. */
export function inkOn(value: number, scale: Scale, dark: boolean): string {
  const [r, g, b] = rgb(value, scale, dark).map(linear) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000' : '#fff';
}

function linear(byte: number): number {
  const share = byte / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

/** The smallest of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten that is not below `value`: a range people can read. */
export function roundUp(value: number): number {
  if (!(value > 0) || !Number.isFinite(value)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((one) => one * power >= value * (1 - 1e-9)) ?? 10;
  return Number((lead * power).toPrecision(3));
}
