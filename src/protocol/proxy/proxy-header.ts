import { formatIpOctets, ipOctets, parseIp, parseIpv4 } from '../ip/index.ts';

/** Where a connection to a proxy came from and went to. */
export interface ProxiedAddresses {
  source: { address: string; port: number };
  destination: { address: string; port: number };
}

export type ProxyHeader =
  /** It is not all there yet. */
  | { kind: 'incomplete' }
  /** No PROXY header, or one that is broken: nothing that follows can be trusted. */
  | { kind: 'invalid' }
  /** `length` octets belong to it. Without addresses the proxy speaks for itself (LOCAL, UNKNOWN, UNSPEC). */
  | { kind: 'header'; length: number; addresses: ProxiedAddresses | undefined };

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V1 = Buffer.from('PROXY ', 'latin1');
/** Octets of a version 1 line with its CRLF, by the specification. */
const LONGEST_LINE = 107;
/** Octets after the fixed part of version 2. Addresses take 36; the rest, TLVs, is read over. */
export const LONGEST_V2_BODY = 4096;
const INCOMPLETE: ProxyHeader = { kind: 'incomplete' };
const INVALID: ProxyHeader = { kind: 'invalid' };

/** Parses the PROXY protocol, version 1 or 2 (haproxy.org proxy-protocol.txt), at the start of `octets`. */
export function parseProxyHeader(octets: Buffer): ProxyHeader {
  if (startsAs(octets, SIGNATURE)) return octets.length < 16 ? INCOMPLETE : parseBinary(octets);
  if (startsAs(octets, V1)) return parseLine(octets);
  return INVALID;
}

/** Whether the octets agree with the beginning as far as either goes. */
function startsAs(octets: Buffer, beginning: Buffer): boolean {
  const length = Math.min(octets.length, beginning.length);
  return octets.subarray(0, length).equals(beginning.subarray(0, length));
}

function parseLine(octets: Buffer): ProxyHeader {
  const end = octets.subarray(0, LONGEST_LINE).indexOf('\r\n');
  if (end < 0) return octets.length < LONGEST_LINE ? INCOMPLETE : INVALID;
  const line = octets.toString('latin1', 0, end);
  const length = end + 2;
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { kind: 'header', length, addresses: undefined };
  const match = /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line);
  if (match === null) return INVALID;
  const [, family, source, destination] = match as unknown as [string, '4' | '6', string, string];
  const ports = [Number(match[4]), Number(match[5])] as const;
  const isOfFamily = (address: string): boolean =>
    family === '4' ? parseIpv4(address) >= 0 : address.includes(':') && parseIp(address) !== undefined;
  if (!isOfFamily(source) || !isOfFamily(destination) || ports.some((port) => port > 65_535)) return INVALID;
  return {
    kind: 'header',
    length,
    addresses: {
      source: { address: source, port: ports[0] },
      destination: { address: destination, port: ports[1] },
    },
  };
}

function parseBinary(octets: Buffer): ProxyHeader {
  const command = octets[12]!;
  const bodyLength = octets.readUInt16BE(14);
  // 0x20 is LOCAL, 0x21 PROXY; there are no others in version 2.
  if ((command !== 0x20 && command !== 0x21) || bodyLength > LONGEST_V2_BODY) return INVALID;
  const length = 16 + bodyLength;
  if (octets.length < length) return INCOMPLETE;
  const local: ProxyHeader = { kind: 'header', length, addresses: undefined };
  if (command === 0x20) return local;
  const family = octets[13]! >> 4;
  // UNSPEC: the proxy does not know; UNIX: no address that we could use.
  if (family === 0 || family === 3) return local;
  const size = family === 1 ? 4 : family === 2 ? 16 : undefined;
  // The low half is the transport: only a stream can carry SMTP.
  if (size === undefined || (octets[13]! & 0x0f) !== 1 || bodyLength < 2 * size + 4) return INVALID;
  const portsAt = 16 + 2 * size;
  return {
    kind: 'header',
    length,
    addresses: {
      source: { address: formatIpOctets(octets.subarray(16, 16 + size)), port: octets.readUInt16BE(portsAt) },
      destination: {
        address: formatIpOctets(octets.subarray(16 + size, portsAt)),
        port: octets.readUInt16BE(portsAt + 2),
      },
    },
  };
}

/** The PROXY header, version 1 or 2, that tells a proxy whom to speak for. Both addresses are of one family. */
export function formatProxyHeader({ source, destination }: ProxiedAddresses, version: 1 | 2): Buffer {
  const addresses = [ipOctets(source.address), ipOctets(destination.address)] as const;
  const { length } = addresses[0];
  if (addresses[1].length !== length) throw new RangeError('addresses of a PROXY header are of one family');
  if (version === 1) {
    const [from, to] = addresses.map(formatIpOctets);
    const family = length === 4 ? 'TCP4' : 'TCP6';
    return Buffer.from(`PROXY ${family} ${from} ${to} ${source.port} ${destination.port}\r\n`, 'latin1');
  }
  const header = Buffer.alloc(8);
  header[0] = 0x21;
  header[1] = length === 4 ? 0x11 : 0x21;
  header.writeUInt16BE(2 * length + 4, 2);
  const ports = header.subarray(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return Buffer.concat([SIGNATURE, header.subarray(0, 4), ...addresses, ports]);
}
