// Fixtures as tests/web/make_fixtures.py writes them.

import { readFileSync } from 'node:fs';
import { decodePage } from '../src/decode';
import type { PageDocument } from '../src/document';
import type { Network } from '../src/engine/network';
import { key } from '../src/engine/places';
import type { Address, Edits } from '../src/engine/types';
import { tensor, type Names } from './evaluate';

export interface Case {
  name: string;
  sample: number;
  edits: Edits;
  /** By part ('0 forward') and gate or state: (steps, units); null where nothing was changed. */
  expected: Record<string, Record<string, number[][]>> | null;
  answer: number[] | number[][] | null;
}

export interface Fixture {
  document: PageDocument;
  network: Network;
  cases: Case[];
  returned: Record<string, unknown>;
}

export const names = [
  'lstm',
  'gru',
  'gru_before',
  'rnn',
  'projected',
  'widths',
  'coupled',
  'normalised',
  'forecaster',
] as const;

export function load(name: (typeof names)[number]): Fixture {
  const { page, cases, returned } = JSON.parse(readFileSync(`${import.meta.dirname}/fixtures/${name}.json`, 'utf8'));
  const read = cases.map((one: Case & { edits: { values: { address: Address; value: number }[] } }) => ({
    ...one,
    edits: { ...one.edits, values: new Map(one.edits.values.map((edit) => [key(edit.address), edit])) },
  }));
  return { document: page, network: decodePage(page).networks[0]!, cases: read, returned };
}

export const NOTHING: Edits = { values: new Map(), clamps: [] };

/** Addresses of all gates, states (initial ones too) and inputs of a sample. */
export function* addresses(network: Network, sample: number): Generator<Address> {
  const steps = Array.from({ length: network.lengths(sample) }, (_, step) => step);
  for (const step of steps) {
    for (let feature = 0; feature < network.sizes.feature; feature++) yield { of: 'x', sample, step, feature };
  }
  for (const { layer, direction } of network.parts) {
    for (const state of network.statesOf(layer)) {
      for (const step of ['start' as const, ...steps]) {
        for (let unit = 0; unit < network.stateWidth(layer, state); unit++) {
          yield { of: 'state', state, sample, layer, direction, step, unit };
        }
      }
    }
    for (const gate of network.gatesOf(layer).flatMap((one) => [one, `${one}_pre`])) {
      for (const step of steps) {
        for (let unit = 0; unit < network.widths(layer); unit++) {
          yield { of: 'gate', gate, sample, layer, direction, step, unit };
        }
      }
    }
  }
}

/** What the user's call gave, and their input, by the names that the page's code uses. */
export function returned({ network, returned: given }: Fixture): Names {
  const of = (value: unknown, name: string) =>
    network.perLayer && name !== 'output' ? (value as unknown[]).map(tensor) : tensor(value);
  const entries = Object.entries(given).map(([name, value]) => [name, of(value, name)] as const);
  const lengths = network.shown.batch.map((sample) => network.lengths(sample));
  return { ...Object.fromEntries(entries), lengths: tensor(lengths) };
}
