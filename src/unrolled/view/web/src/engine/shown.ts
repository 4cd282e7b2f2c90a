// Which indices of a large axis are drawn.

/** At most `most` evenly spaced indices below `size`, the first and the last among them; as Python picks them. */
export function pick(size: number, most: number): number[] {
  if (size <= most) return Array.from({ length: size }, (_, k) => k);
  if (most <= 1) return most === 1 ? [0] : [];
  return Array.from({ length: most }, (_, k) => Math.floor(k * ((size - 1) / (most - 1)) + 0.5));
}
