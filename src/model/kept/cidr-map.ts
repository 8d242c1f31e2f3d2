import { type Cidr, parseCidr, parseHostPort, parseIp } from '../../protocol/ip/index.ts';
import type { KeptValue } from './kept-value.ts';

interface Entry {
  readonly block: Cidr;
  readonly text: string;
  readonly value: KeptValue;
}

/**
 * Values by block of addresses; the narrowest block that holds an address wins. One hash look-up per prefix length
 * in use, not per block.
 */
export class CidrMap {
  readonly keepable = true;
  /** By family and prefix, the longest first; in each by the number of the network. */
  readonly #levels: { family: 4 | 6; prefix: number; entries: Map<bigint, Entry> }[] = [];

  /** Value for an address or `IP:PORT`, `[IP]:PORT`, or a block. Throws for anything else. */
  get(key: string): KeptValue {
    const { family, value, prefix } = addressOf(key);
    for (const level of this.#levels) {
      if (level.family !== family || level.prefix > prefix) continue;
      const entry = level.entries.get(networkOf(family, value, level.prefix));
      if (entry !== undefined) return entry.value;
    }
    return undefined;
  }

  /** Sets an address or block, nil takes it away. Host bits must be clear. Throws for what is no block. */
  set(key: string, value: KeptValue): void {
    const block = addressOf(key);
    const network = networkOf(block.family, block.value, block.prefix);
    const known = this.#levels.find(
      ({ family, prefix }) => family === block.family && prefix === block.prefix,
    );
    if (value === undefined || value === null) {
      known?.entries.delete(network);
      return;
    }
    const level = known ?? { family: block.family, prefix: block.prefix, entries: new Map<bigint, Entry>() };
    level.entries.set(network, { block, text: key, value });
    if (known !== undefined) return;
    this.#levels.push(level);
    this.#levels.sort((a, b) => b.prefix - a.prefix);
  }

  entries(): Map<string, KeptValue> {
    return new Map(
      this.#levels.flatMap(({ entries }) =>
        [...entries.values()].map(({ text, value }) => [text, value] as const),
      ),
    );
  }
}

function addressOf(key: string): Cidr {
  const endpoint = parseIp(key) === undefined && !key.includes('/') ? parseHostPort(key) : undefined;
  return parseCidr(endpoint?.address ?? key);
}

function networkOf(family: 4 | 6, value: number | bigint, prefix: number): bigint {
  const host = BigInt((family === 4 ? 32 : 128) - prefix);
  return (BigInt(value) >> host) << host;
}
