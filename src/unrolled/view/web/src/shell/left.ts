// Which part of the user's batch and layers the page holds, in words.

import type { Network } from '../engine/network';
import type { Key, Values } from '../text';

type Say = (key: Key, values?: Values) => string;

/** One phrase for each axis of which something was left out. */
export function leftOut(network: Pick<Network, 'sizes' | 'shown' | 'layers' | 'widths'>, t: Say): string[] {
  const { sizes, shown } = network;
  const axes = (['batch', 'time', 'feature'] as const)
    .filter((axis) => shown[axis].length < sizes[axis])
    .map((axis) => t(`shell.left.${axis}`, { shown: shown[axis].length, size: sizes[axis] }));
  const hidden = shown.hidden.flatMap((units, layer) =>
    units.length < network.widths(layer)
      ? [t('shell.left.hidden', { shown: units.length, size: network.widths(layer), layer })]
      : [],
  );
  return [...axes, ...hidden];
}
