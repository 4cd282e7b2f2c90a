// What a number is, in one sentence, in either language.

import type { Key, Translate, Values } from '../text';
import { isKey } from '../text';
import type { Network } from './network';
import { answerPlace, canonical, finalStep, HEAD } from './places';
import type { Address } from './types';

type Of<K extends Address['of']> = Extract<Address, { of: K }>;

/** One sentence; `value` is undefined for what the page does not hold. */
export function sentence(network: Network, address: Address, value: number | undefined, translate: Translate): string {
  const known = canonical(network, address);
  const shown = known.of === 'answer' && value !== undefined ? network.unscaled(known.sample, value) : value;
  const number = shown === undefined ? translate('sentence.unknown') : spell(shown);
  const words = wordsFor(network, known, translate);
  return translate(words.key, { ...words.values, value: number });
}

/** Four significant digits with a real minus sign. */
function spell(value: number): string {
  const size = Math.abs(value);
  const wide = size !== 0 && (size >= 1e6 || size < 1e-4);
  const text = wide ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replaceAll('-', '−');
}

interface Words {
  key: Key;
  values: Values;
}

function wordsFor(network: Network, address: Address, translate: Translate): Words {
  switch (address.of) {
    case 'x':
      return {
        key: 'sentence.x',
        values: { ...moment(network, address), feature: featureName(network, address.feature) },
      };
    case 'gate':
      return gateWords(network, address, translate);
    case 'state':
      return stateWords(network, address, translate);
    case 'weight':
      return weightWords(network, address, translate);
    case 'answer':
      return answerWords(network, address);
  }
}

/** The user's own name of an index beside it, where there is one. */
function named(names: string[] | undefined, index: number): string {
  const name = names?.[index];
  return name === undefined || name === String(index) ? String(index) : `${index} (${name})`;
}

function featureName(network: Network, feature: number): string {
  return named(network.names.feature, feature);
}

function moment(network: Network, { sample, step }: { sample: number; step: number | 'start' }): Values {
  const { batch, time } = network.names;
  return { sample: named(batch, sample), step: step === 'start' ? '' : named(time, step) };
}

/** 'unit 7', 'unit 7 of layer 1', 'unit 7 of layer 1, reverse': as much as is needed to tell it apart. */
function unitWords(network: Network, at: Omit<Of<'state'>, 'of' | 'state' | 'sample' | 'step'>, t: Translate): string {
  const { unit, layer, direction } = at;
  if (network.directionsOf(layer).length > 1) return t(`sentence.unit.${direction}`, { unit, layer });
  return network.layers > 1 ? t('sentence.unit.layer', { unit, layer }) : t('sentence.unit', { unit });
}

function gateWords(network: Network, address: Of<'gate'>, translate: Translate): Words {
  const { gate } = address;
  const values = { ...moment(network, address), unit: unitWords(network, address, translate), gate };
  if (gate.endsWith('_pre')) return { key: 'sentence.pre', values: { ...values, gate: gate.slice(0, -4) } };
  const own = `sentence.gate.${gate}`;
  return { key: isKey(own) ? own : 'sentence.gate', values };
}

function stateWords(network: Network, address: Of<'state'>, translate: Translate): Words {
  const { state, step } = address;
  const values = { ...moment(network, address), unit: unitWords(network, address, translate), state };
  if (step === 'start') return { key: 'sentence.start', values };
  const last = network.kind !== 'Stack' && step === finalStep(network, address.sample, address.direction);
  if (state !== 'h' && state !== 'c') return { key: 'sentence.state', values };
  return { key: last ? `sentence.${state}.last` : `sentence.${state}`, values };
}

/** Which weight: of which gate of which unit, and for what. */
function weightWords(network: Network, address: Of<'weight'>, translate: Translate): Words {
  const { name, layer, row, column } = address;
  if (layer === HEAD)
    return {
      key: column === null ? 'sentence.head.bias' : 'sentence.head.weight',
      values: { row, column: column ?? '' },
    };
  const gates = network.gatesOf(layer).filter((gate) => !(gate === 'i' && network.settings.coupled_gates));
  const gate = gates[Math.floor(row / network.widths(layer))] ?? '';
  const unit = unitWords(network, { ...address, unit: row % network.widths(layer) }, translate);
  const values = { gate, unit, row, column: column ?? '', name, source: sourceWords(network, address, translate) };
  const own = `sentence.${name}`;
  return { key: isKey(own) ? own : 'sentence.weight', values };
}

/** What a column of weight_ih is for. */
function sourceWords(network: Network, { layer, column }: Of<'weight'>, translate: Translate): string {
  if (column === null) return '';
  if (layer === 0) return translate('sentence.feature', { feature: featureName(network, column) });
  const below = layer - 1;
  const width = network.outputWidth(below);
  const direction = network.directionsOf(below)[Math.floor(column / width)] ?? 'forward';
  return unitWords(network, { layer: below, direction, unit: column % width }, translate);
}

function answerWords(network: Network, { sample, index }: Of<'answer'>): Words {
  const label = network.head?.labels[answerPlace(network, index)] ?? `[${index.join(', ')}]`;
  return { key: 'sentence.answer', values: { sample: named(network.names.batch, sample), label } };
}
