import ipaddr from 'ipaddr.js';

/** An address as a number: IPv4 as 32 bits, IPv6 as 128. IPv4 mapped into IPv6 counts as IPv4. */
export type IpNumber = { family: 4; value: number } | { family: 6; value: bigint };

/** 32 bits of a dotted quad, -1 for anything else. Leading zeros are refused: some read them as octal. */
export function parseIpv4(text: string): number {
  let value = 0;
  let octet = -1;
  let dots = 0;
  let leadingZero = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (octet < 0 || ++dots > 3) return -1;
      value = value * 256 + octet;
      octet = -1;
      continue;
    }
    if (code < 0x30 || code > 0x39) return -1;
    if (octet < 0) {
      octet = code - 0x30;
      leadingZero = octet === 0;
    } else {
      octet = octet * 10 + code - 0x30;
      if (leadingZero || octet > 255) return -1;
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : -1;
}

/** Parses an IPv4 or IPv6 address without port, brackets or zone; undefined when it is none. */
export function parseIp(text: string): IpNumber | undefined {
  const ipv4 = parseIpv4(text);
  if (ipv4 >= 0) return { family: 4, value: ipv4 };
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  if (address.isIPv4MappedAddress()) {
    return { family: 4, value: address.parts[6]! * 65_536 + address.parts[7]! };
  }
  let value = 0n;
  for (const part of address.parts) value = (value << 16n) | BigInt(part);
  return { family: 6, value };
}

/** Whether the text is an IPv4 or IPv6 address. */
export function isIpAddress(text: string): boolean {
  return parseIp(text) !== undefined;
}

/** `IP:PORT` or `[IP]:PORT`, also `HOST:PORT`; undefined when there is no such port or no host. */
export function parseHostPort(text: string): { address: string; port: number } | undefined {
  const match = /^(?:\[([^[\]]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  const bracketed = match[1];
  if (port > 65_535 || (bracketed !== undefined && parseIp(bracketed) === undefined)) return undefined;
  return { address: bracketed ?? match[2]!, port };
}

/** The text that `parseHostPort` reads: IPv6 addresses in brackets. */
export function formatHostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
