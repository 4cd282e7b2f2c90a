// One recurrent layer module of the user's model: its sizes, its weights, and what Python recorded of a call.

import { NamedArray } from '../decode';
import type {
  AnalysisDocument,
  DirectionName,
  HeadDocument,
  Kind,
  NetworkDocument,
  PageDocument,
  PartDocument,
} from '../document';
import { StoredRun } from './stored';
import type { Run } from './types';

export interface Part {
  layer: number;
  direction: DirectionName;
  arrays: Record<string, NamedArray>;
}

export interface Analysis extends Omit<AnalysisDocument, 'array'> {
  array: NamedArray;
}

export type HeadLayer =
  { kind: 'Linear'; weight: NamedArray; bias: NamedArray | null } | { kind: 'ReLU' | 'Tanh' | 'Sigmoid' };

export interface Head extends Omit<HeadDocument, 'layers' | 'output' | 'unscale'> {
  layers: HeadLayer[];
  output: NamedArray;
  unscale: { location: NamedArray; scale: NamedArray } | null;
}

export class Network {
  readonly name: string;
  readonly source: string;
  readonly kind: Kind;
  readonly settings: Readonly<Record<string, unknown>>;
  /** How many layers are stacked. */
  readonly layers: number;
  readonly directions: DirectionName[];
  /** Of the first layer, in the order of the cell's equations: 'i', 'f', 'g', 'o'; 'r', 'z', 'n'; 'h'. */
  readonly gates: string[];
  /** Of the first layer, the output first: 'h', 'c'. */
  readonly states: string[];
  /** Of the user's own batch. */
  readonly sizes: { batch: number; time: number; feature: number };
  readonly shown: { batch: number[]; time: number[]; feature: number[]; hidden: number[][] };
  readonly batchFirst: boolean;
  readonly batched: boolean;
  /** Whether layers have widths of their own, so that h_n and c_n are tuples. */
  readonly perLayer: boolean;
  readonly names: PageDocument['names'];
  /** null: the page computes this network; otherwise why not. */
  readonly computes: string | null;
  readonly head: Head | null;
  readonly analyses: Analysis[];
  readonly parts: Part[];
  readonly weights: Part[];
  readonly initial: Part[];
  readonly inputs: NamedArray | null;
  #lengths: NamedArray;
  #stored = new Map<number, Run>();

  constructor(document: NetworkDocument, names: PageDocument['names']) {
    const { trace } = document;
    this.name = document.name;
    this.source = document.source;
    this.kind = trace.kind;
    this.settings = trace.settings;
    this.parts = trace.parts.map(decodePart);
    this.weights = document.weights.map(decodePart);
    this.initial = document.initial.map(decodePart);
    this.inputs = document.inputs && new NamedArray(document.inputs);
    this.layers = 1 + Math.max(...this.parts.map((part) => part.layer));
    this.directions = this.directionsOf(this.layers - 1);
    this.gates = this.gatesOf(0);
    this.states = this.statesOf(0);
    this.sizes = document.sizes;
    this.shown = document.shown;
    this.batchFirst = Boolean(trace.settings.batch_first);
    this.batched = trace.batched;
    this.perLayer = trace.finals.h_n?.per_layer ?? Array.isArray(trace.settings.hidden_size);
    this.names = names;
    this.computes = document.computes;
    this.head = document.head && decodeHead(document.head);
    this.analyses = document.analyses.map((one) => ({ ...one, array: new NamedArray(one.array) }));
    this.#lengths = new NamedArray(trace.lengths);
  }

  /** Valid steps of a sample; of one that is not shown, all. */
  lengths(sample: number): number {
    return this.#lengths.at(this.shown.batch.indexOf(sample)) ?? this.sizes.time;
  }

  /** Hidden units of a layer. */
  widths(layer: number): number {
    const size = this.settings.hidden_size;
    const given = Array.isArray(size) ? size[layer] : size;
    return typeof given === 'number' ? given : this.#widthOfShown(layer);
  }

  /** Width of h in one direction of a layer: that of the projection, or else the hidden units. */
  outputWidth(layer: number): number {
    return Number(this.settings.proj_size ?? 0) || this.widths(layer);
  }

  /** Width of a state in one direction of a layer. */
  stateWidth(layer: number, state: string): number {
    return state === 'h' ? this.outputWidth(layer) : this.widths(layer);
  }

  /** How many features a layer reads. */
  inputWidth(layer: number): number {
    if (layer === 0) return this.sizes.feature;
    return this.outputWidth(layer - 1) * this.directionsOf(layer - 1).length;
  }

  /** Whether a layer's output is h plus what it read. */
  addsInput(layer: number): boolean {
    const features = this.outputWidth(layer) * this.directionsOf(layer).length;
    return Boolean(this.settings.residual) && layer > 0 && features === this.inputWidth(layer);
  }

  directionsOf(layer: number): DirectionName[] {
    return this.parts.filter((part) => part.layer === layer).map((part) => part.direction);
  }

  /** Gates of a layer. */
  gatesOf(layer: number): string[] {
    const arrays = this.part(layer, 'forward').arrays;
    // A coupled gate i has no sum of its own, and an sLSTM has a state n.
    return GATES.filter((gate) => `${gate}_pre` in arrays || (gate === 'i' && 'i' in arrays));
  }

  /** States of a layer. */
  statesOf(layer: number): string[] {
    const arrays = this.part(layer, 'forward').arrays;
    return ['h', 'c', ...(this.kind === 'SLSTM' ? ['n', 'm'] : [])].filter((state) => state in arrays);
  }

  part(layer: number, direction: DirectionName): Part {
    return this.parts[this.row(layer, direction)]!;
  }

  /** The row of h_n and c_n that is a direction of a layer. */
  row(layer: number, direction: DirectionName): number {
    const row = this.parts.findIndex((part) => part.layer === layer && part.direction === direction);
    if (row < 0) throw new Error(`There is no layer ${layer}, ${direction}.`);
    return row;
  }

  /** A parameter by its name without the layer: 'weight_ih', 'bias_hh'; undefined where there is none. */
  weight(layer: number, direction: DirectionName, name: string): NamedArray | undefined {
    return this.weights[this.row(layer, direction)]?.arrays[name];
  }

  /** What Python recorded of one sample. */
  stored(sample: number): Run {
    const run = this.#stored.get(sample) ?? new StoredRun(this, sample);
    this.#stored.set(sample, run);
    return run;
  }

  /** A number of the answer in the user's own units: a forecaster's windows were scaled. */
  unscaled(sample: number, value: number): number {
    const at = this.shown.batch.indexOf(sample);
    const { scale, location } = this.head?.unscale ?? {};
    return value * (scale?.at(at) ?? 1) + (location?.at(at) ?? 0);
  }

  #widthOfShown(layer: number): number {
    const rows = this.weight(layer, 'forward', 'weight_hh')?.shape[0];
    const blocks = this.gatesOf(layer).length;
    return rows !== undefined && blocks > 0 ? rows / blocks : 1 + Math.max(-1, ...(this.shown.hidden[layer] ?? []));
  }
}

const GATES = ['i', 'f', 'g', 'o', 'r', 'z', 'n', 'h'];

function decodePart({ layer, direction, arrays }: PartDocument): Part {
  const decoded = Object.entries(arrays).map(([name, array]) => [name, new NamedArray(array)] as const);
  return { layer, direction, arrays: Object.fromEntries(decoded) };
}

function decodeHead(document: HeadDocument): Head {
  return {
    ...document,
    layers: document.layers.map((layer) =>
      layer.kind === 'Linear'
        ? { kind: 'Linear', weight: new NamedArray(layer.weight), bias: layer.bias && new NamedArray(layer.bias) }
        : layer,
    ),
    output: new NamedArray(document.output),
    unscale: document.unscale && {
      location: new NamedArray(document.unscale.location),
      scale: new NamedArray(document.unscale.scale),
    },
  };
}
