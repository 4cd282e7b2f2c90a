// Every computed number as the sum it is: the products of the equations in cells/*.py, with the addresses of factors.

import { nonlinearityName } from './activations';
import { insides, normedTerms } from './normed';
import type { Network } from './network';
import { isSet } from './overrides';
import { canonical } from './places';
import { ComputedRun } from './run';
import { gateAt, inputColumns, stateBefore, stateColumns, type Site } from './site';
import { answerSum } from './sum_of_answer';
import { biasTerm, productTerms, termOf } from './terms';
import type { Address, Run, Sum, Term } from './types';

type Gate = Extract<Address, { of: 'gate' }>;
type State = Extract<Address, { of: 'state' }>;

/** What a number is the sum of; null for what nothing computes, and where the page does not hold all factors. */
export function explain(network: Network, run: Run, address: Address): Sum | null {
  const known = canonical(network, address);
  const value = run.value(known);
  if (value === undefined) return null;
  const sum = known.of === 'answer' ? answerSum(network, run, known) : cellSum(network, run, known);
  if (!sum || !sum.terms.every((term) => Number.isFinite(term.product))) return null;
  const total = sum.terms.reduce((all, term) => all + term.product, 0);
  const set = run instanceof ComputedRun && isSet(run.edits, known);
  return { address: known, total, value, ...sum, ...(set ? { set } : {}) };
}

/** A sum but for what follows from its terms. */
export type Parts = Pick<Sum, 'formula' | 'terms' | 'nonlinearity' | 'bound'>;

function cellSum(network: Network, run: Run, address: Address): Parts | null {
  if (address.of !== 'gate' && address.of !== 'state') return null;
  if (address.step === 'start' || !['LSTM', 'GRU', 'RNN'].includes(network.kind)) return null;
  if (!network.weight(address.layer, address.direction, 'weight_ih')) return null;
  const { sample, layer, direction, unit, step } = address;
  const site = { network, run, sample, layer, direction, unit, step };
  return address.of === 'gate' ? gateSum(site, address) : stateSum(site, address);
}

/** A gate after or before its nonlinearity: the same terms. */
function gateSum(site: Site, { gate }: Gate): Parts | null {
  const before = gate.endsWith('_pre');
  const name = before ? gate.slice(0, -'_pre'.length) : gate;
  const { settings, kind } = site.network;
  if (name === 'i' && settings.coupled_gates) return before ? null : coupledSum(site);
  const bound = settings.preactivation_clip;
  return {
    formula: gateFormula(site, name),
    terms: gateTerms(site, name),
    nonlinearity: before ? 'identity' : gateNonlinearity(settings, kind, name),
    ...(typeof bound === 'number' ? { bound } : {}),
  };
}

function gateNonlinearity(settings: Network['settings'], kind: string, gate: string): string {
  if (kind === 'RNN') return nonlinearityName(settings.nonlinearity, 'tanh');
  const candidate = gate === 'g' || gate === 'n';
  return candidate
    ? nonlinearityName(settings.activation, 'tanh')
    : nonlinearityName(settings.recurrent_activation, 'sigmoid');
}

function gateFormula({ network, layer, direction }: Site, gate: string): string {
  const { settings, kind } = network;
  const unbiased = network.weight(layer, direction, 'bias_ih') ? '' : '.unbiased';
  if (settings.layer_norm) return `lstm.normalised${unbiased}`;
  const variant =
    settings.peephole && gate !== 'g' && kind === 'LSTM'
      ? '.peephole'
      : gate === 'n' && settings.reset_after === false
        ? '.before'
        : kind === 'RNN' && gateNonlinearity(settings, kind, gate) === 'relu'
          ? '.relu'
          : '';
  return `${kind.toLowerCase()}.${gate}${variant}${unbiased}`;
}

/** The row of the stacked weights that makes a gate of a unit. */
function rowOf({ network, layer, unit }: Site, gate: string): number {
  const blocks = network.gatesOf(layer).filter((one) => !(one === 'i' && network.settings.coupled_gates));
  return blocks.indexOf(gate) * network.widths(layer) + unit;
}

function gateTerms(site: Site, gate: string): Term[] {
  const row = rowOf(site, gate);
  if (site.network.settings.layer_norm) return [...normedTerms(site, row), ...peepholeTerms(site, gate)];
  const recurrent = gate === 'n' ? candidateTerms(site, row) : recurrentTerms(site, row);
  const ofInput = [...productTerms(site, 'weight_ih', row, inputColumns(site)), ...biasTerm(site, 'bias_ih', row)];
  return [...ofInput, ...recurrent, ...peepholeTerms(site, gate)];
}

function recurrentTerms(site: Site, row: number): Term[] {
  return [...productTerms(site, 'weight_hh', row, stateColumns(site)), ...biasTerm(site, 'bias_hh', row)];
}

/** A GRU's n: the reset gate multiplies every product and the bias (after), or each unit's h (before). */
function candidateTerms(site: Site, row: number): Term[] {
  const reset = (unit: number) => {
    const address = gateAt(site, 'r', unit);
    return { label: `r[t, ${unit}]`, address, value: site.run.value(address) ?? NaN };
  };
  if (site.network.settings.reset_after === false) {
    const columns = stateColumns(site).map((column, unit) => ({ ...column, factor: reset(unit) }));
    return [...productTerms(site, 'weight_hh', row, columns), ...biasTerm(site, 'bias_hh', row)];
  }
  const factor = reset(site.unit);
  return recurrentTerms(site, row).map((term) => multiplied(term, factor));
}

function multiplied(term: Term, factor: NonNullable<Term['factor']>): Term {
  return { ...term, label: `${term.label} * ${factor.label}`, factor, product: term.product * factor.value };
}

/** i and f see the cell state before the step, o the new one. */
function peepholeTerms(site: Site, gate: string): Term[] {
  const { network, layer, direction, unit, sample, step } = site;
  if (!network.settings.peephole || gate === 'g') return [];
  const looking = network.settings.coupled_gates ? ['f', 'o'] : ['i', 'f', 'o'];
  const c: Address =
    gate === 'o' ? { of: 'state', state: 'c', sample, layer, direction, step, unit } : stateBefore(site, 'c', unit);
  const weight: Address = {
    of: 'weight',
    name: 'weight_peephole',
    layer,
    direction,
    row: looking.indexOf(gate),
    column: unit,
  };
  return [termOf(site, weight, c)];
}

function coupledSum(site: Site): Parts {
  const f = gateAt(site, 'f');
  const value = site.run.value(f) ?? NaN;
  const one: Term = { label: '1', left: null, right: null, leftValue: 1, rightValue: 1, product: 1 };
  const minus = {
    label: `-f[t, ${site.unit}]`,
    left: null,
    right: f,
    leftValue: -1,
    rightValue: value,
    product: -value,
  };
  return { formula: 'lstm.i.coupled', terms: [one, minus], nonlinearity: 'identity' };
}

function stateSum(site: Site, { state }: State): Parts | null {
  const { kind, settings } = site.network;
  const zoneout = settings.zoneout;
  if (Array.isArray(zoneout) ? zoneout.some(Boolean) : zoneout) return null;
  if (kind === 'RNN') return gateSum(site, gateAt(site, 'h') as Gate);
  if (kind === 'GRU') return { formula: 'gru.h', terms: mixTerms(site), nonlinearity: 'identity' };
  if (state === 'c') return cellStateSum(site);
  const unbiased = site.network.weight(site.layer, site.direction, 'norm_c_bias') ? '' : '.unbiased';
  const formula = settings.layer_norm
    ? `lstm.h.normalised${unbiased}`
    : settings.proj_size
      ? 'lstm.h.projected'
      : 'lstm.h';
  return { formula, terms: outputTerms(site), nonlinearity: 'identity' };
}

function cellStateSum(site: Site): Parts {
  const kept = termOf(site, gateAt(site, 'f'), stateBefore(site, 'c', site.unit));
  const written = termOf(site, gateAt(site, 'i'), gateAt(site, 'g'));
  const bound = site.network.settings.cell_clip;
  const terms = [kept, written];
  return { formula: 'lstm.c', terms, nonlinearity: 'identity', ...(typeof bound === 'number' ? { bound } : {}) };
}

/** A GRU's h: (1 − z)·n + z·h₋. */
function mixTerms(site: Site): Term[] {
  const z = gateAt(site, 'z');
  const written = termOf(site, z, gateAt(site, 'n'));
  const share = 1 - written.leftValue;
  const label = `(1 - z[t, ${site.unit}]) * n[t, ${site.unit}]`;
  const first = { ...written, label, leftValue: share, product: share * written.rightValue };
  return [first, termOf(site, z, stateBefore(site, 'h', site.unit))];
}

/** An LSTM's h: o·tanh(c) of one unit, or under a projection the weighted sum of those of all units. */
function outputTerms(site: Site): Term[] {
  const { network, layer, direction, unit, sample, step } = site;
  const phi = insides(site);
  const c = (other: number): Address => ({ of: 'state', state: 'c', sample, layer, direction, step, unit: other });
  const name = network.settings.layer_norm ? 'norm(c)' : 'c';
  const label = (other: number) => `${nonlinearityName(network.settings.activation, 'tanh')}(${name}[t, ${other}])`;
  if (!network.settings.proj_size) {
    const made = termOf(site, gateAt(site, 'o'), c(unit));
    const rightValue = phi[unit]!;
    return [{ ...made, label: `o[t, ${unit}] * ${label(unit)}`, rightValue, product: made.leftValue * rightValue }];
  }
  const columns = Array.from({ length: network.widths(layer) }, (_, other) => ({
    addresses: [gateAt(site, 'o', other)],
    factor: { label: label(other), address: c(other), value: phi[other]! },
  }));
  return productTerms(site, 'weight_hr', unit, columns);
}
