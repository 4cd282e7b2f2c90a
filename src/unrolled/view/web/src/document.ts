// The page document, "unrolled-page/1", as Python writes it into the page; docs/formats.md describes it.
// Shapes: T = time, N = batch, F = features, H = units, B = gates. Time runs forward in every array.

/** An array: bytes little-endian in base64, as in "unrolled-trace/1". */
export interface ArrayDocument {
  axes: string[];
  dtype: '<f2' | '<f4' | '<f8' | '<i8' | '|b1';
  shape: number[];
  data: string;
}

export type Kind = 'LSTM' | 'GRU' | 'RNN' | (string & {});
export type DirectionName = 'forward' | 'reverse';

/** "unrolled-trace/1", its arrays restricted to what `shown` lists. */
export interface TraceDocument {
  schema: 'unrolled-trace/1';
  kind: Kind;
  settings: Record<string, unknown>;
  batched: boolean;
  lengths: ArrayDocument;
  parts: PartDocument[];
  output: ArrayDocument & { places: { layer: number; direction: DirectionName; first: number; count: number }[] };
  finals: Record<string, { per_layer: boolean; arrays: ArrayDocument[]; places: unknown[] }>;
}

export interface PartDocument {
  layer: number;
  direction: DirectionName;
  arrays: Record<string, ArrayDocument>;
}

/** One recurrent layer module (all its stacked layers and directions) of the user's model. */
export interface NetworkDocument {
  /** Its name inside the model, '' when the model is the layer itself. */
  name: string;
  /** 'unrolled.LSTM', 'torch.nn.GRU', … */
  source: string;
  /** Sizes of the user's own batch, before anything was left out. */
  sizes: { batch: number; time: number; feature: number };
  /** Which indices of the user's batch the document holds; `hidden` has a list for each layer. */
  shown: { batch: number[]; time: number[]; feature: number[]; hidden: number[][] };
  trace: TraceDocument;
  /** Whole weights in the order of trace.parts (arrays weight_ih, weight_hh, bias_ih, …); [] when left out as too large. */
  weights: PartDocument[];
  /** Whole inputs of the shown samples (batch, time, feature), every step and feature; null when left out. */
  inputs: ArrayDocument | null;
  /** Whole initial states of the shown samples in the order of trace.parts: h_0, c_0 (batch, hidden). */
  initial: PartDocument[];
  /** null: the page computes this network. Otherwise why not, in one English sentence. */
  computes: string | null;
  head: HeadDocument | null;
  analyses: AnalysisDocument[];
}

/** What follows the recurrent layer and makes the model's answer. */
export interface HeadDocument {
  /** What it reads, as code: 'output', 'output[:, -1]', 'h_n[-1]', 'torch.cat([h_n[-2], h_n[-1]], dim=1)', … */
  reads: string;
  /** Linear layers and elementwise functions, in order. */
  layers: ({ kind: 'Linear'; weight: ArrayDocument; bias: ArrayDocument | null } | { kind: 'ReLU' | 'Tanh' | 'Sigmoid' })[];
  /** The answer of the shown samples as Python computed it, before `unscale`: (batch, …, output). */
  output: ArrayDocument;
  /** A forecaster that feeds each forecast back: its horizon, which output is fed back, what else each step is given. */
  feedback: { steps: number; output: number; constants: number[] } | null;
  /** A forecaster's windows: answer · scale + location, (batch). */
  unscale: { location: ArrayDocument; scale: ArrayDocument } | null;
  /** Names of the answer's numbers, such as dates to come. */
  labels: string[];
}

/** Numbers to lay over a drawing; axes among batch, time, feature, hidden, restricted to what is shown. */
export interface AnalysisDocument {
  name: 'saturation' | 'memory' | 'contributions' | 'gradient_flow' | 'attribution';
  /** The part it belongs to; null for the inputs (attribution). */
  layer: number | null;
  direction: DirectionName | null;
  /** The gate or state it is of: 'f', 'h', 'c', 'x'. */
  of: string;
  array: ArrayDocument;
  /** Facts to show beside it, such as an integrated gradients' completeness gap. */
  facts: Record<string, number | string>;
}

export interface PageDocument {
  schema: 'unrolled-page/1';
  title: string;
  made_with: { unrolled: string; torch: string };
  networks: NetworkDocument[];
  /** The user's own names of the first network's axes; absent where none were given. */
  names: { batch?: string[]; time?: string[]; feature?: string[] };
  /** 'tour' for the small shipped model on which the guided tour runs. */
  purpose: 'model' | 'forecaster' | 'tour';
}
