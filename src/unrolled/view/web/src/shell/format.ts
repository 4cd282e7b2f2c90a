// Numbers and names as the page writes them.

import type { Key, Values } from '../text';
import type { Address, Edits } from '../engine/types';
import type { Clamp } from './edits';

type Say = (key: Key, values?: Values) => string;

/** Four significant digits with a real minus sign. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const text =
    size !== 0 && (size >= 1e6 || size < 1e-4) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replace(/-/g, '−');
}

/** An index with the user's own name for it: '2 · Tuesday'. */
export function named(index: number, names: string[] | undefined): string {
  const name = names?.[index];
  return name === undefined || name === String(index) ? String(index) : `${index} · ${name}`;
}

/** What an edited number is called in the list of changes. */
export function title(address: Address): string {
  switch (address.of) {
    case 'x':
      return `x[${address.sample}, ${address.step}, ${address.feature}]`;
    case 'state': {
      const { state, layer, direction, step, unit } = address;
      const place = `l${layer}${direction === 'reverse' ? '_reverse' : ''}`;
      return step === 'start' ? `${state}_0 ${place} [${unit}]` : `${state} ${place} t=${step} [${unit}]`;
    }
    case 'gate':
      return `${address.gate} l${address.layer} t=${address.step} [${address.unit}]`;
    case 'weight':
      return address.name;
    case 'answer':
      return `[${address.index.join(', ')}]`;
  }
}

export function clampTitle(clamp: Clamp, t: Say): string {
  return t('shell.edits.clamp', {
    gate: clamp.gate,
    layer: clamp.layer,
    direction: t(`shell.direction.${clamp.direction}`),
    unit: clamp.unit === null ? t('shell.edit.units.all') : t('shell.edits.unit', { unit: clamp.unit }),
    step: clamp.step === null ? t('shell.edit.steps.all') : t('shell.edits.step', { step: clamp.step }),
    value: number(clamp.value),
  });
}

/** Whether there is anything to undo or list. */
export function anyEdit(edits: Edits): boolean {
  return edits.values.size + edits.clamps.length > 0;
}
