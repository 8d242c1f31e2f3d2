import { type IpNumber, parseIp } from './address.ts';

/** One block of addresses. An address alone is a block of full length. */
export type Cidr = IpNumber & { prefix: number };

/** Why a text is no block; `message` is for the person who wrote it. */
export class CidrError extends Error {}

/** Parses `10.0.0.0/8`, `::1` and the like. Host bits that are set are an error: the block meant is unclear. */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf('/');
  const host = slash < 0 ? text : text.slice(0, slash);
  const address = parseIp(host);
  if (address === undefined) throw new CidrError(`'${text}' is no IP address or CIDR block`);
  const written = slash < 0 ? undefined : text.slice(slash + 1);
  const prefix = written === undefined ? bitsOf(address) : prefixOf(written, address, host);
  if (prefix === undefined) throw new CidrError(`'${text}' has a prefix length out of range`);
  const block = { ...address, prefix };
  if (network(address, prefix) !== address.value) {
    throw new CidrError(`'${text}' has host bits set; write the first address of the block, or no prefix`);
  }
  return block;
}

export function cidrContains(block: Cidr, address: string): boolean {
  const parsed = parseIp(address);
  return (
    parsed !== undefined && parsed.family === block.family && network(parsed, block.prefix) === block.value
  );
}

/**
 * Many blocks; asking takes one hash look-up per prefix length in use, not per block.
 * `::ffff:10.0.0.1`, as dual-stack sockets report IPv4 peers, is 10.0.0.1.
 */
export class CidrSet {
  readonly #ipv4 = new Map<number, Set<number>>();
  readonly #ipv6 = new Map<number, Set<bigint>>();

  /** Throws CidrError for a text that `parseCidr` refuses. */
  constructor(blocks: Iterable<string>) {
    for (const text of blocks) {
      const block = parseCidr(text);
      if (block.family === 4) add(this.#ipv4, block.prefix, block.value);
      else add(this.#ipv6, block.prefix, block.value);
    }
  }

  /** Whether a bare address (no port, no brackets) is in one of the blocks; false for anything else. */
  has(address: string): boolean {
    const parsed = parseIp(address);
    if (parsed === undefined) return false;
    if (parsed.family === 4) {
      for (const [prefix, networks] of this.#ipv4) {
        if (networks.has(network4(parsed.value, prefix))) return true;
      }
      return false;
    }
    for (const [prefix, networks] of this.#ipv6) {
      if (networks.has(network6(parsed.value, prefix))) return true;
    }
    return false;
  }
}

function add<T>(blocks: Map<number, Set<T>>, prefix: number, value: T): void {
  const networks = blocks.get(prefix);
  if (networks === undefined) blocks.set(prefix, new Set([value]));
  else networks.add(value);
}

function bitsOf(address: IpNumber): number {
  return address.family === 4 ? 32 : 128;
}

function prefixOf(written: string, address: IpNumber, host: string): number | undefined {
  if (!/^\d{1,3}$/.test(written)) return undefined;
  // A mapped address such as ::ffff:10.0.0.0/104 counts its prefix from the IPv6 end.
  const prefix = Number(written) - (address.family === 4 && host.includes(':') ? 96 : 0);
  return prefix >= 0 && prefix <= bitsOf(address) ? prefix : undefined;
}

function network(address: IpNumber, prefix: number): number | bigint {
  return address.family === 4 ? network4(address.value, prefix) : network6(address.value, prefix);
}

function network4(value: number, prefix: number): number {
  // Shifting by 32 would be shifting by 0.
  return prefix === 0 ? 0 : ((value >> (32 - prefix)) << (32 - prefix)) >>> 0;
}

function network6(value: bigint, prefix: number): bigint {
  const host = BigInt(128 - prefix);
  return (value >> host) << host;
}
