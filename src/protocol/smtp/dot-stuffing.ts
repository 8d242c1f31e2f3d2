const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const TERMINATOR = Buffer.from('.\r\n');
const CRLF_TERMINATOR = Buffer.from('\r\n.\r\n');

/**
 * The body as it goes on the wire after DATA: dots stuffed (RFC 5321 §4.5.2), every bare CR or LF made CRLF,
 * ending in CRLF.CRLF. A body that needs none of that is not copied; the pieces are to be written in order.
 * An empty body is the terminator alone, whose first CRLF was that of the DATA command.
 */
export function dotStuff(body: Buffer): Buffer[] {
  if (body.length === 0) return [TERMINATOR];
  const wire = firstUnfit(body) < 0 ? body : rewrite(body);
  const endsInCrlf = wire[wire.length - 1] === LF;
  return [wire, endsInCrlf ? TERMINATOR : CRLF_TERMINATOR];
}

/** Takes the stuffing out of body text whose lines end in CRLF, without the terminator; the reverse of dotStuff. */
export function dotUnstuff(wire: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let from = 0;
  if (wire[0] === DOT) from = 1;
  for (let dot = wire.indexOf('\r\n.', from); dot >= 0; dot = wire.indexOf('\r\n.', dot + 3)) {
    pieces.push(wire.subarray(from, dot + 2));
    from = dot + 3;
  }
  pieces.push(wire.subarray(from));
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/**
 * Index of the first octet that cannot be sent as it is: a bare CR or LF, or a dot that starts a line. -1 when
 * there is none. Looks at four octets at a time and closer only where one of them is a control character:
 * 5 us for a 10 KB body, where indexOf from line to line takes 13.
 */
function firstUnfit(body: Buffer): number {
  if (body[0] === DOT) return 0;
  if (body.length < 8) return unfitBetween(body, 0, body.length);
  const head = (4 - (body.byteOffset & 3)) & 3;
  const count = (body.length - head) >> 2;
  const tail = head + count * 4;
  const inHead = unfitBetween(body, 0, head);
  if (inHead >= 0) return inHead;
  const words = new Uint32Array(body.buffer, body.byteOffset + head, count);
  for (let index = 0; index < count; index++) {
    const word = words[index]!;
    // The high bit of an octet below 0x0e survives the subtraction of 0x0e only when it was not set before.
    if (((word - 0x0e0e0e0e) & ~word & 0x80808080) === 0) continue;
    const at = head + index * 4;
    const unfit = unfitBetween(body, at, at + 4);
    if (unfit >= 0) return unfit;
  }
  return unfitBetween(body, tail, body.length);
}

function unfitBetween(body: Buffer, from: number, to: number): number {
  for (let index = from; index < to; index++) {
    const octet = body[index];
    if (octet === LF) {
      if (body[index - 1] !== CR) return index;
      if (body[index + 1] === DOT) return index + 1;
    } else if (octet === CR && body[index + 1] !== LF) return index;
  }
  return -1;
}

function rewrite(body: Buffer): Buffer {
  // No octet becomes more than two: a bare CR or LF is doubled, and so is a dot.
  const wire = Buffer.allocUnsafe(body.length * 2);
  let length = 0;
  let lineStart = true;
  for (let index = 0; index < body.length; index++) {
    const octet = body[index]!;
    if (octet === CR || octet === LF) {
      if (octet === CR && body[index + 1] === LF) index += 1;
      wire[length++] = CR;
      wire[length++] = LF;
      lineStart = true;
      continue;
    }
    if (lineStart && octet === DOT) wire[length++] = DOT;
    wire[length++] = octet;
    lineStart = false;
  }
  return wire.subarray(0, length);
}
