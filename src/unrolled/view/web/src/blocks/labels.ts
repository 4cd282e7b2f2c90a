// Short names of numbers, as titles and buttons show them.

import type { Network } from '../engine/network';
import { places } from '../engine/places';
import type { Address } from '../engine/types';

/** 'f_{3}[2]'-like in plain text: 'f[t=3, 2]', 'c[t=3, 2]', 'x[0, 3, 1]', 'weight_hh_l0[7, 2]'. */
export function nameOfNumber(network: Network, address: Address): string {
  switch (address.of) {
    case 'gate':
      return `${address.gate}[t=${address.step}, ${address.unit}]`;
    case 'state':
      return address.step === 'start'
        ? `${address.state}_0[${address.unit}]`
        : `${address.state}[t=${address.step}, ${address.unit}]`;
    case 'answer':
      return network.head?.labels[address.index.at(-1) ?? 0] ?? places(network, address)[0]?.code ?? 'answer';
    default:
      return (places(network, address)[0]?.code ?? '').replace(/^model\.(\w+\.)*/, '');
  }
}
