// Large blocks as a picture of one pixel a cell, painted on a canvas.

import { rgb, type Scale } from './colours';

/** A data address of the picture; cells without a number stay clear. */
export function bitmap(values: (number | undefined)[], columns: number, scale: Scale, dark: boolean): string {
  const rows = Math.max(1, Math.ceil(values.length / Math.max(1, columns)));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, columns);
  canvas.height = rows;
  const context = canvas.getContext('2d');
  if (!context) return '';
  const image = context.createImageData(canvas.width, rows);
  values.forEach((value, k) => {
    if (value !== undefined) image.data.set([...rgb(value, scale, dark), 255], 4 * k);
  });
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}
