// Just enough of PyTorch's indexing to run the code that the page offers for pasting.

export interface Tensor {
  shape: number[];
  values: number[];
}

type Value = Tensor | Tensor[];

export type Names = Record<string, Value>;

export function tensor(nested: unknown): Tensor {
  const shape: number[] = [];
  for (let at = nested; Array.isArray(at); at = at[0]) shape.push(at.length);
  return { shape, values: (nested as unknown[]).flat(Infinity) as number[] };
}

const size = (shape: number[]) => shape.reduce((a, b) => a * b, 1);

/** The index on every axis of the k-th value. */
function indexOf(shape: number[], k: number): number[] {
  return shape.map((length, axis) => Math.floor(k / size(shape.slice(axis + 1))) % length);
}

function place(shape: number[], index: number[]): number {
  return index.reduce((at, k, axis) => at * shape[axis]! + k, 0);
}

function make(shape: number[], at: (index: number[]) => number): Tensor {
  return { shape, values: Array.from({ length: size(shape) }, (_, k) => at(indexOf(shape, k))) };
}

const get = (t: Tensor, index: number[]) => t.values[place(t.shape, index)]!;

/** 'output[:, -1, 3:]', 'h_n.transpose(0, 1).reshape(2, -1)', 'torch.cat([h_n[-2], h_n[-1]], dim=1)', '(a + b) / 2'. */
export function evaluate(code: string, names: Names): Tensor {
  const text = code.replaceAll(' ', '');
  const cat = /^torch\.cat\(\[(.*)\],dim=-?\d\)$/.exec(text);
  if (cat) return joined(splitAtDepth(cat[1]!, ',').map((one) => evaluate(one, names)));
  const halved = /^\((.*)\)\/2$/.exec(text);
  if (halved) return map(evaluate(halved[1]!, names), (x) => x / 2);
  const [left, right] = splitAtDepth(text, '+');
  if (right) return zip(evaluate(left!, names), evaluate(right, names), (a, b) => a + b);
  const [top, bottom] = splitAtDepth(text, '/');
  if (bottom)
    return zip(evaluate(top!, names), broadcast(names.lengths as Tensor, evaluate(top!, names)), (a, b) => a / b);
  return chained(text, names);
}

function chained(text: string, names: Names): Tensor {
  const name = /^\w+/.exec(text)![0];
  let value: Value = names[name]!;
  if (!value) throw new Error(`no ${name}`);
  for (let rest = text.slice(name.length); rest !== '';) {
    const method = /^\.(\w+)\(([^)]*)\)/.exec(rest);
    const end = method ? method[0].length : closing(rest);
    value = method ? call(value as Tensor, method[1]!, method[2]!) : at(value, rest.slice(1, end - 1), names);
    rest = rest.slice(end);
  }
  return value as Tensor;
}

function closing(text: string): number {
  let depth = 0;
  for (let k = 0; k < text.length; k++) {
    depth += text[k] === '[' ? 1 : text[k] === ']' ? -1 : 0;
    if (depth === 0) return k + 1;
  }
  throw new Error(`no end in ${text}`);
}

function splitAtDepth(text: string, sign: string): string[] {
  let depth = 0;
  let from = 0;
  const pieces: string[] = [];
  [...text].forEach((letter, k) => {
    depth += '[('.includes(letter) ? 1 : '])'.includes(letter) ? -1 : 0;
    if (depth === 0 && letter === sign) {
      pieces.push(text.slice(from, k));
      from = k + 1;
    }
  });
  return [...pieces, text.slice(from)];
}

function at(value: Value, code: string, names: Names): Value {
  if (Array.isArray(value)) return value.at(Number(code))!;
  const items = splitAtDepth(code, ',');
  const dots = items.indexOf('...');
  const missing = value.shape.length - (items.length - (dots < 0 ? 0 : 1));
  const filled = dots < 0 ? items : items.toSpliced(dots, 1, ...Array<string>(missing).fill(':'));
  while (filled.length < value.shape.length) filled.push(':');
  const lengths = (names.lengths as Tensor | undefined)?.values ?? [];
  const lists = filled.map((item, axis) => indices(item, value.shape[axis]!, lengths));
  return taken(value, lists, filled);
}

/** What an item selects; one that is a number or a vector of numbers, one for each sample, is marked. */
function indices(
  item: string,
  length: number,
  lengths: number[],
): { list: number[]; kind: 'number' | 'each' | 'slice' } {
  if (item === 'torch.arange(N)') return { list: lengths.map((_, n) => n), kind: 'each' };
  if (item === 'lengths-1') return { list: lengths.map((one) => Math.max(0, one - 1)), kind: 'each' };
  const around = (k: number) => (k < 0 ? k + length : k);
  if (!item.includes(':')) return { list: [around(Number(item))], kind: 'number' };
  const [from, to] = item.split(':');
  const [first, last] = [from ? around(Number(from)) : 0, to ? around(Number(to)) : length];
  return { list: Array.from({ length: last - first }, (_, k) => first + k), kind: 'slice' };
}

function taken(value: Tensor, lists: ReturnType<typeof indices>[], items: string[]): Tensor {
  if (lists.some(({ list, kind }, axis) => kind !== 'each' && list.some((k) => !(k >= 0 && k < value.shape[axis]!)))) {
    throw new Error(`[${items}] is out of range of (${value.shape})`);
  }
  const each = lists.find(({ kind }) => kind === 'each')?.list.length;
  const slices = lists.filter(({ kind }) => kind === 'slice');
  const shape = [...(each === undefined ? [] : [each]), ...slices.map(({ list }) => list.length)];
  return make(shape, (index) => {
    const rest = each === undefined ? [...index] : index.slice(1);
    return get(
      value,
      lists.map(({ list, kind }) => list[kind === 'number' ? 0 : kind === 'each' ? index[0]! : rest.shift()!]!),
    );
  });
}

function call(t: Tensor, method: string, given: string): Tensor {
  const numbers = given.split(',').map((one) => Number(one.replace('dim=', '')));
  if (method === 'transpose') {
    return make([t.shape[1]!, t.shape[0]!, ...t.shape.slice(2)], ([a, b, ...rest]) => get(t, [b!, a!, ...rest]));
  }
  if (method === 'flatten') return { ...t, shape: [t.shape[0]!, size(t.shape.slice(1))] };
  if (method === 'reshape') return { ...t, shape: [numbers[0]!, size(t.shape) / numbers[0]!] };
  const axis = numbers[0]!;
  const steps = Array.from({ length: t.shape[axis]! }, (_, k) => k);
  return make(t.shape.toSpliced(axis, 1), (index) => {
    const all = steps.map((k) => get(t, index.toSpliced(axis, 0, k)));
    if (method === 'amax') return Math.max(...all);
    const sum = all.reduce((a, b) => a + b, 0);
    return method === 'mean' ? sum / all.length : sum;
  });
}

/** Beside each other on the last axis. */
function joined(tensors: Tensor[]): Tensor {
  const rows = tensors[0]!.shape.slice(0, -1);
  const values = Array.from({ length: size(rows) }, (_, row) =>
    tensors.flatMap(({ shape, values }) => values.slice(row * shape.at(-1)!, (row + 1) * shape.at(-1)!)),
  ).flat();
  return { shape: [...rows, values.length / size(rows)], values };
}

const map = (t: Tensor, f: (x: number) => number): Tensor => ({ ...t, values: t.values.map(f) });
const zip = (a: Tensor, b: Tensor, f: (x: number, y: number) => number) => ({
  ...a,
  values: a.values.map((x, k) => f(x, b.values[k]!)),
});
const broadcast = (rows: Tensor, like: Tensor) => make(like.shape, (index) => Math.max(1, rows.values[index[0]!]!));
