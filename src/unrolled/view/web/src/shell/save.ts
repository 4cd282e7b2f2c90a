// Saving the stage as one SVG or PNG file. Everything is measured on the page and written out in full, colours and
// faces included, so that the file looks the same without the page; nothing is fetched.

import { element, lines, picture, type Box, type Word } from './picture';

/** Room around the picture, in pixels. */
const MARGIN = 16;

/** What a drawn element's look consists of. */
const LOOK = [
  'fill',
  'fill-opacity',
  'fill-rule',
  'stroke',
  'stroke-width',
  'stroke-opacity',
  'stroke-dasharray',
  'stroke-linecap',
  'stroke-linejoin',
  'opacity',
  'visibility',
  'display',
  'paint-order',
  'marker-start',
  'marker-end',
  'clip-path',
  'transform',
  'transform-origin',
  'transform-box',
  'font-family',
  'font-size',
  'font-weight',
  'font-style',
  'text-anchor',
  'dominant-baseline',
  'letter-spacing',
  'image-rendering',
  'overflow',
];

/** Controls are of the page, not of the picture. */
const CONTROLS = 'button, select, input, textarea, progress, .aloud, [data-unsaved]';

/** The stage as an SVG document; null when it shows no picture. */
export function toSVG(stage: HTMLElement, title: string): string | null {
  if (!stage.querySelector('svg, canvas')) return null;
  const origin = stage.getBoundingClientRect();
  const place = ({ x, y, width, height }: Box): Box => {
    return { x: x - origin.x + MARGIN, y: y - origin.y + MARGIN, width, height };
  };
  const size = { width: Math.ceil(stage.scrollWidth) + 2 * MARGIN, height: Math.ceil(stage.scrollHeight) + 2 * MARGIN };
  const paper = getComputedStyle(document.documentElement).getPropertyValue('--panel').trim();
  return picture(size, title, paper, [...parts(stage, place)]);
}

/** The stage as a PNG, twice as fine as on the page. */
export async function toPNG(svg: string): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = 2 * image.width;
  canvas.height = 2 * image.height;
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(`${canvas.width} × ${canvas.height}`))));
  });
}

/** Hands a file to the user, without any request. */
export function download(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Every painted thing of an element, in the order of the document. */
function* parts(node: Node, place: (box: Box) => Box): Generator<string> {
  if (node instanceof Text) yield* texts(node, place);
  if (!(node instanceof Element) || node.matches(CONTROLS) || hidden(node)) return;
  if (node instanceof SVGSVGElement) yield drawing(node, place);
  else if (node instanceof HTMLCanvasElement) yield raster(node, place(node.getBoundingClientRect()));
  else {
    yield* frame(node, place);
    for (const child of node.childNodes) yield* parts(child, place);
  }
}

function hidden(node: Element): boolean {
  const { display, visibility } = getComputedStyle(node);
  return display === 'none' || visibility === 'hidden';
}

function raster(canvas: HTMLCanvasElement, box: Box): string {
  const href = canvas.toDataURL('image/png');
  return element('image', { ...box, href, preserveAspectRatio: 'none', style: 'image-rendering:pixelated' });
}

/** A copy of an SVG with its look written out, standing where it stands on the page. */
function drawing(svg: SVGSVGElement, place: (box: Box) => Box): string {
  const { x, y, width, height } = place(svg.getBoundingClientRect());
  const copy = svg.cloneNode(true) as SVGSVGElement;
  dress(svg, copy);
  for (const [name, value] of Object.entries({ x, y, width, height })) copy.setAttribute(name, String(value));
  return new XMLSerializer().serializeToString(copy);
}

/** Writes the look of `from` into its copy, children included; canvases inside become images. */
function dress(from: Element, to: Element): void {
  [...from.children].forEach((child, k) => dress(child, to.children[k]!));
  const look = getComputedStyle(from);
  to.setAttribute('style', LOOK.map((name) => `${name}:${look.getPropertyValue(name)}`).join(';'));
  for (const name of ['class', 'tabindex']) to.removeAttribute(name);
  if (from instanceof SVGForeignObjectElement) to.replaceWith(inFrame(from));
}

/** What a foreignObject holds as SVG: readers of SVG files know no HTML. */
function inFrame(frame: SVGForeignObjectElement): Element {
  const group = document.createElementNS('http://www.w3.org/2000/svg', 'g');
  const canvas = frame.querySelector('canvas');
  if (!canvas) return group;
  const box = {
    x: frame.x.baseVal.value,
    y: frame.y.baseVal.value,
    width: frame.width.baseVal.value,
    height: frame.height.baseVal.value,
  };
  group.innerHTML = raster(canvas, box);
  return group;
}

/** An HTML element's own background and border. */
function* frame(node: Element, place: (box: Box) => Box): Generator<string> {
  const look = getComputedStyle(node);
  const box = place(node.getBoundingClientRect());
  const border = parseFloat(look.borderTopWidth) || 0;
  const painted = !/^rgba\(.*, 0\)$|^transparent$/.test(look.backgroundColor);
  if (!painted && border === 0) return;
  yield element('rect', {
    ...box,
    rx: parseFloat(look.borderTopLeftRadius) || undefined,
    fill: painted ? look.backgroundColor : 'none',
    stroke: border > 0 ? look.borderTopColor : undefined,
    'stroke-width': border > 0 ? border : undefined,
  });
}

/** The lines of an HTML text, each where it stands. */
function* texts(node: Text, place: (box: Box) => Box): Generator<string> {
  const parent = node.parentElement;
  if (!parent || node.data.trim() === '') return;
  const look = getComputedStyle(parent);
  for (const line of lines(words(node))) {
    const { x, y, height } = place(line);
    yield element(
      'text',
      {
        x,
        // The baseline lies about four fifths down a line box of the text's own height.
        y: y + height * 0.8,
        fill: look.color,
        'font-family': look.fontFamily,
        'font-size': look.fontSize,
        'font-weight': look.fontWeight,
        'font-style': look.fontStyle,
      },
      line.text.replace(/&/g, '&amp;').replace(/</g, '&lt;'),
    );
  }
}

function words(node: Text): Word[] {
  const range = document.createRange();
  return [...node.data.matchAll(/\S+/g)].map((match) => {
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].length);
    const { x, y, width, height } = range.getBoundingClientRect();
    return { text: match[0], x, y, width, height };
  });
}
