// Products of matrices and vectors on row-major arrays of doubles.

/** Σ weights[w + k] · values[v + k], in four chains of additions that a processor can run side by side. */
export function dot(weights: Float64Array, w: number, values: Float64Array, v: number, size: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const fours = size - (size % 4);
  let k = 0;
  for (; k < fours; k += 4) {
    a += weights[w + k]! * values[v + k]!;
    b += weights[w + k + 1]! * values[v + k + 1]!;
    c += weights[w + k + 2]! * values[v + k + 2]!;
    d += weights[w + k + 3]! * values[v + k + 3]!;
  }
  for (; k < size; k++) a += weights[w + k]! * values[v + k]!;
  return a + b + (c + d);
}

/** result[j] = start[j] + Σ matrix[first + j, k] · values[v + k] for the rows first, first + 1, … of a matrix. */
export function product(
  matrix: Float64Array,
  first: number,
  values: Float64Array,
  v: number,
  size: number,
  start: Float64Array | null,
  result: Float64Array,
): void {
  for (let j = 0; j < result.length; j++) {
    const row = first + j;
    result[j] = dot(matrix, row * size, values, v, size) + (start ? start[row]! : 0);
  }
}

/** Mean and 1/√(variance + ε) of what layer normalisation is given; PyTorch's ε. */
export function moments(values: Float64Array, first = 0, size = values.length): { mean: number; scale: number } {
  let mean = 0;
  for (let j = 0; j < size; j++) mean += values[first + j]! / size;
  let variance = 0;
  for (let j = 0; j < size; j++) variance += (values[first + j]! - mean) ** 2 / size;
  return { mean, scale: 1 / Math.sqrt(variance + 1e-5) };
}

/** Layer normalisation in place: (v − mean) · scale · gain + shift. */
export function normalise(values: Float64Array, gain: Float64Array, shift: Float64Array | null): void {
  const { mean, scale } = moments(values);
  for (let j = 0; j < values.length; j++) {
    values[j] = (values[j]! - mean) * scale * gain[j]! + (shift ? shift[j]! : 0);
  }
}
