// From the page document to typed arrays; each array is decoded when it is first read, so that a large page opens fast.

import type { ArrayDocument, PageDocument } from './document';
import { Network } from './engine/network';

export type Numbers = Float32Array | Float64Array | Uint8Array;

export interface Page {
  title: string;
  madeWith: PageDocument['made_with'];
  purpose: PageDocument['purpose'];
  networks: Network[];
}

/** Reads what Python wrote; names of axes belong to the first network. */
export function decodePage(document: PageDocument): Page {
  const [family, version] = String(document.schema).split('/');
  if (family !== 'unrolled-page' || version !== '1') {
    throw new Error(`This page reads "unrolled-page/1"; its data say "${document.schema}".`);
  }
  return {
    title: document.title,
    madeWith: document.made_with,
    purpose: document.purpose,
    networks: document.networks.map((network, k) => new Network(network, k === 0 ? document.names : {})),
  };
}

/** Values with one name per axis, row-major. */
export class NamedArray {
  readonly axes: readonly string[];
  readonly shape: readonly number[];
  #document: ArrayDocument;
  #data: Numbers | null = null;
  #doubles: Float64Array | null = null;

  constructor(document: ArrayDocument) {
    this.#document = document;
    this.axes = document.axes;
    this.shape = document.shape;
  }

  get data(): Numbers {
    this.#data ??= decodeArray(this.#document);
    return this.#data;
  }

  /** The same values in the type that the page computes with. */
  get doubles(): Float64Array {
    this.#doubles ??= this.data instanceof Float64Array ? this.data : Float64Array.from(this.data);
    return this.#doubles;
  }

  /** The value at one index per axis; undefined outside. */
  at(...index: number[]): number | undefined {
    let place = 0;
    for (let axis = 0; axis < this.shape.length; axis++) {
      const k = index[axis]!;
      const size = this.shape[axis]!;
      if (!(k >= 0 && k < size)) return undefined;
      place = place * size + k;
    }
    return this.data[place];
  }
}

function decodeArray({ dtype, shape, data }: ArrayDocument): Numbers {
  const bytes = decodeBase64(data);
  const values = VIEWS[dtype](bytes.buffer);
  const wanted = shape.reduce((product, size) => product * size, 1);
  if (values.length !== wanted) throw new Error(`An array of shape [${shape}] has ${values.length} values.`);
  return values;
}

const VIEWS: Record<ArrayDocument['dtype'], (buffer: ArrayBuffer) => Numbers> = {
  '<f2': (buffer) => Float32Array.from(new Uint16Array(buffer), halfToNumber),
  '<f4': (buffer) => new Float32Array(buffer),
  '<f8': (buffer) => new Float64Array(buffer),
  '<i8': (buffer) => Float64Array.from(new BigInt64Array(buffer), Number),
  '|b1': (buffer) => new Uint8Array(buffer),
};

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let k = 0; k < binary.length; k++) bytes[k] = binary.charCodeAt(k);
  return bytes;
}

/** IEEE 754 binary16: a sign, five bits of exponent, ten of fraction. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
