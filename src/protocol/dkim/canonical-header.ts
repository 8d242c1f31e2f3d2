import type { HeaderField } from '../mime/index.ts';
import type { Canonicalization } from './canonical-body.ts';

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const CRLF = Buffer.from('\r\n');

/**
 * One header as it is signed, with its CRLF. `message` is what is sent: no CR or LF stands alone. A last header that
 * nothing follows may lack its CRLF.
 */
export function canonicalHeader(
  canonicalization: Canonicalization,
  message: Buffer,
  field: HeaderField,
): Buffer {
  if (canonicalization === 'relaxed') return relaxedHeader(message, field);
  // RFC 6376 §3.4.1: not changed in any way.
  const written = message.subarray(field.start, field.end);
  return written[written.length - 1] === LF ? written : Buffer.concat([written, CRLF]);
}

/**
 * RFC 6376 §3.4.2: name in lower case, unfolded, every run of white space one space, none around the colon and at
 * the end. Octet by octet, because the white space of JavaScript is more than that of RFC 5234.
 */
function relaxedHeader(message: Buffer, { name, valueStart, end }: HeaderField): Buffer {
  // At most the name and colon, the value, and a CRLF that may not be there yet.
  const canonical = Buffer.allocUnsafe(name.length + 3 + end - valueStart);
  let length = canonical.write(name.toLowerCase(), 'latin1');
  canonical[length++] = COLON;
  const start = length;
  let isAfterSpace = false;
  for (let at = valueStart; at < end; at++) {
    const octet = message[at]!;
    // A line ending in here is one of a fold, or the last: white space follows it, or nothing.
    if (octet === SPACE || octet === TAB || octet === CR || octet === LF) {
      isAfterSpace = true;
      continue;
    }
    if (isAfterSpace && length > start) canonical[length++] = SPACE;
    isAfterSpace = false;
    canonical[length++] = octet;
  }
  canonical[length++] = CR;
  canonical[length++] = LF;
  return canonical.subarray(0, length);
}
