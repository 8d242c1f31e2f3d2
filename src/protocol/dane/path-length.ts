import type { X509Certificate } from 'node:crypto';

/** The object identifier 2.5.29.19, basicConstraints, in DER. */
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex');
const BOOLEAN = 0x01;
const INTEGER = 0x02;
const OCTET_STRING = 0x04;
const SEQUENCE = 0x30;

/**
 * How many authorities may stand between this one and the server's certificate (RFC 5280 §4.2.1.9); Infinity when
 * it does not say. Node tells of basicConstraints only whether the certificate is one of an authority.
 */
export function pathLengthOf({ raw }: X509Certificate): number {
  let at = raw.indexOf(BASIC_CONSTRAINTS);
  if (at < 0) return Infinity;
  at = skipBoolean(raw, at + BASIC_CONSTRAINTS.length);
  // The lengths of these few octets fit into one octet each.
  if (raw[at] !== OCTET_STRING || raw[at + 2] !== SEQUENCE) return Infinity;
  const end = at + 4 + raw[at + 3]!;
  at = skipBoolean(raw, at + 4);
  if (at >= end || raw[at] !== INTEGER) return Infinity;
  const length = raw[at + 1]!;
  return length > 0 && length <= 4 && at + 2 + length <= raw.length ? raw.readUIntBE(at + 2, length) : 0;
}

function skipBoolean(der: Buffer, at: number): number {
  return der[at] === BOOLEAN ? at + 3 : at;
}
