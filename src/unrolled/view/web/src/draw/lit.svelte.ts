// What the number in focus is made of, found once for all drawings.

import { explain } from '../engine/sums';
import type { Address } from '../engine/types';
import { explorer } from '../state.svelte';

class Lit {
  /** The numbers that are multiplied and added to make the one in focus. */
  sources: Address[] = $derived.by(() => (explorer.focus ? sourcesOf(explorer.focus) : []));
}

function sourcesOf(address: Address): Address[] {
  const sum = explain(explorer.network, explorer.run, address);
  return (sum?.terms ?? []).flatMap(({ left, right }) => [left, right].filter((one) => one !== null));
}

export const lit = new Lit();

/** The value of a number of any sample; of the selected one, after the edits. */
export function valueOf(address: Address): number | undefined {
  if ('sample' in address && address.sample !== explorer.selection.sample) {
    return explorer.network.stored(address.sample).value(address);
  }
  return explorer.value(address);
}
