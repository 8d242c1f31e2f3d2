import { parseIp } from './address.ts';

/** The 4 octets of an IPv4 address or the 16 of an IPv6 one, in network order. Throws when it is neither. */
export function ipOctets(address: string): Buffer {
  const ip = parseIp(address);
  if (ip === undefined) throw new RangeError(`${address} is no IP address`);
  return Buffer.from(ip.value.toString(16).padStart(ip.family === 4 ? 8 : 32, '0'), 'hex');
}

/** The address of 4 or 16 octets in network order; IPv6 as RFC 5952 §4 writes it. */
export function formatIpOctets(octets: Buffer): string {
  return octets.length === 4 ? octets.join('.') : formatIpv6(octets);
}

function formatIpv6(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_none, index) => octets.readUInt16BE(2 * index).toString(16));
  const text = groups.join(':');
  const zeros = [...text.matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)];
  const longest = zeros.reduce<RegExpExecArray | undefined>(
    (best, run) => (best === undefined || run[0].length > best[0].length ? run : best),
    undefined,
  );
  if (longest === undefined) return text;
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}
