// The nonlinearities by the names that a layer's settings have, with ONNX's constants; as in cells/activations.py.

export type Nonlinearity = (value: number) => number;

type Make = (alpha: number, beta: number) => Nonlinearity;

const KNOWN: Record<string, [Make, alpha?: number, beta?: number]> = {
  identity: [() => (x) => x],
  relu: [() => (x) => (x < 0 ? 0 : x)],
  tanh: [() => Math.tanh],
  sigmoid: [() => (x) => 1 / (1 + Math.exp(-x))],
  affine: [(a, b) => (x) => a * x + b, 1, 0],
  leaky_relu: [(a) => (x) => (x < 0 ? a * x : x), 0.01],
  thresholded_relu: [(a) => (x) => (x > a ? x : 0), 1],
  scaled_tanh: [(a, b) => (x) => a * Math.tanh(b * x), 1, 1],
  hard_sigmoid: [(a, b) => (x) => Math.min(1, Math.max(0, a * x + b)), 0.2, 0.5],
  elu: [(a) => (x) => (x > 0 ? x : a * Math.expm1(x)), 1],
  softsign: [() => (x) => x / (1 + Math.abs(x))],
  softplus: [() => (x) => (x > 40 ? x : Math.log1p(Math.exp(x)))],
};

/** The function that a setting names: 'tanh', or "Activation('hard_sigmoid', alpha=0.1667, beta=0.5)". */
export function nonlinearity(setting: unknown, otherwise: string): Nonlinearity {
  const { name, alpha, beta } = read(setting ?? otherwise);
  const known = KNOWN[name];
  if (!known) throw new Error(`This page knows no activation ${name}.`);
  const [make, a = 0, b = 0] = known;
  return make(alpha ?? a, beta ?? b);
}

/** Its name alone, for a view to show. */
export function nonlinearityName(setting: unknown, otherwise: string): string {
  return read(setting ?? otherwise).name;
}

function read(setting: unknown): { name: string; alpha?: number; beta?: number } {
  const text = String(setting);
  const name = /^Activation\('(\w+)'/.exec(text)?.[1] ?? text;
  const constant = (which: string) => {
    const found = new RegExp(`${which}=([^,)]+)`).exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  return { name, alpha: constant('alpha'), beta: constant('beta') };
}
