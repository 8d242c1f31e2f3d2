import { domainToASCII } from 'node:url';
import { DnsError } from '../../model/index.ts';
import { parseIp } from '../../protocol/ip/index.ts';

/**
 * The name as it is asked: A-labels, lower case, no trailing dot. Throws DnsError('malformed') for what cannot
 * stand in a DNS message (RFC 1035 §2.3.4: labels of 1 to 63 octets, 253 in all).
 */
export function dnsName(name: string): string {
  let ascii = name.endsWith('.') ? name.slice(0, -1) : name;
  if (/[^\0-\x7f]/.test(ascii)) ascii = domainToASCII(ascii);
  ascii = ascii.toLowerCase();
  const labels = ascii.split('.');
  const sound = ascii.length <= 253 && labels.every((label) => label.length > 0 && label.length <= 63);
  if (!sound || /[\0- \x7f]/.test(ascii)) throw new DnsError('malformed', `'${name}' is not a domain name`);
  return ascii;
}

/** A name from an answer: lower case, no trailing dot; '' for the root; undefined when no host can be called so. */
export function hostName(name: unknown): string | undefined {
  if (typeof name !== 'string') return undefined;
  const host = (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
  return host === '' || /^[a-z0-9_.-]+$/.test(host) ? host : undefined;
}

/** `4.3.2.1.in-addr.arpa` or the nibbles of ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5). */
export function reverseName(address: string): string {
  const ip = parseIp(address);
  if (ip === undefined) throw new DnsError('malformed', `'${address}' is not an IP address`);
  if (ip.family === 4) {
    const octets = [24, 16, 8, 0].map((shift) => (ip.value >>> shift) & 255);
    return `${octets.reverse().join('.')}.in-addr.arpa`;
  }
  return `${[...ip.value.toString(16).padStart(32, '0')].reverse().join('.')}.ip6.arpa`;
}
