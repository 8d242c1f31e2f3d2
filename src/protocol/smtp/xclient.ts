import { parseIp } from '../ip/index.ts';

/** What XCLIENT may say here; what it does not say stays as it is. */
export interface XclientAttributes {
  addr?: string;
  port?: number;
  destaddr?: string;
  destport?: number;
}

/**
 * Parses `ADDR=192.0.2.1 PORT=4711 DESTADDR=IPV6:2001:db8::1`, as Postfix defined it. Values that the proxy does not
 * know, `[UNAVAILABLE]` and `[TEMPUNAVAIL]`, say nothing. Undefined for other attributes, for values that are no
 * address or port, and when there are none.
 */
export function parseXclient(text: string): XclientAttributes | undefined {
  const result: XclientAttributes = {};
  const attributes = text.split(' ').filter((attribute) => attribute !== '');
  if (attributes.length === 0) return undefined;
  for (const attribute of attributes) {
    const match = /^(ADDR|PORT|DESTADDR|DESTPORT)=(\S+)$/i.exec(attribute);
    if (match === null) return undefined;
    const value = decodeXtext(match[2]!);
    if (/^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/i.test(value)) continue;
    if (!set(result, match[1]!.toLowerCase() as keyof XclientAttributes, value)) return undefined;
  }
  return result;
}

function set(result: XclientAttributes, name: keyof XclientAttributes, value: string): boolean {
  if (name === 'port' || name === 'destport') {
    const port = /^\d{1,5}$/.test(value) ? Number(value) : 65_536;
    if (port > 65_535) return false;
    result[name] = port;
    return true;
  }
  const address = value.replace(/^IPV6:/i, '');
  if (parseIp(address) === undefined) return false;
  result[name] = address;
  return true;
}

/** RFC 3461 §4: `+HH` is an octet. */
function decodeXtext(text: string): string {
  return text.replace(/\+([0-9A-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
