// Widths of texts before they are drawn, so that layouts can keep labels apart; estimates on the safe side.

/** Text sizes in pixels: there are no others. */
export const SMALL = 12;
export const LETTER = 14;

const WIDE = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60]/;
const NARROW = /[ .,:;|!'’()[\]ijltfI·]/;

/** How wide a text will be. */
export function textWidth(text: string, size: number = SMALL, code = false): number {
  let width = 0;
  for (const letter of text) width += WIDE.test(letter) ? 1 : code ? 0.615 : NARROW.test(letter) ? 0.4 : 0.66;
  return width * size;
}

/** The text, or its beginning and an ellipsis, within a width; '' where not even that has room. */
export function fitText(text: string, width: number, size: number = SMALL, code = false): string {
  if (textWidth(text, size, code) <= width) return text;
  const letters = [...text];
  while (letters.length > 1) {
    letters.pop();
    const shorter = `${letters.join('').trimEnd()}…`;
    if (textWidth(shorter, size, code) <= width) return shorter;
  }
  return '';
}

/** A number in at most seven characters, with a true minus sign. */
export function short(value: number | undefined, digits = 3): string {
  if (value === undefined) return '–';
  const size = Math.abs(value);
  const text = size === 0 ? '0' : size < 1e-3 || size >= 1e5 ? value.toExponential(1) : plain(value, digits);
  return text.replaceAll('-', '−');
}

function plain(value: number, digits: number): string {
  const whole = Math.max(0, Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.max(0, digits - whole)).replace(/^-(0(\.0+)?)$/, '$1');
}

/** A number of two decimals for the inside of a cell; '' where it would not fit. */
export function cellText(value: number): string {
  if (Math.abs(value) >= 1e4) return '';
  return value
    .toFixed(Math.abs(value) >= 100 ? 0 : 2)
    .replace(/^-(0\.00)$/, '$1')
    .replace('-', '−');
}
