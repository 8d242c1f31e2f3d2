/** Text in the character sets of mail, by the names of the WHATWG encoding standard. */

/** Throws an Error for a character set that is not known. Bytes that mean nothing become U+FFFD. */
export function decodeCharset(name: string, bytes: Uint8Array): string {
  return decoderOf(name).decode(bytes);
}

/**
 * `text` in a character set. Characters that it does not have are left out when `ignore`, else an Error is thrown;
 * so it is for a character set that is not known or cannot be written.
 */
export function encodeCharset(name: string, text: string, ignore: boolean): Buffer {
  const { encoding } = decoderOf(name);
  if (encoding === 'utf-8') return Buffer.from(text);
  if (encoding === 'utf-16le') return Buffer.from(text, 'utf16le');
  if (encoding === 'utf-16be') return Buffer.from(text, 'utf16le').swap16();
  const table = tableOf(encoding);
  const parts: number[] = [];
  for (const character of text) {
    const bytes = table.get(character);
    if (bytes !== undefined) parts.push(...bytes);
    else if (!ignore) throw new Error(`'${character}' cannot be written in ${name}`);
  }
  return Buffer.from(parts);
}

function decoderOf(name: string): InstanceType<typeof TextDecoder> {
  try {
    // A byte order mark is kept: whoever asks for bytes to be decoded gets all of them.
    return new TextDecoder(name, { ignoreBOM: true });
  } catch {
    throw new Error(`'${name}' is not a character set known here`);
  }
}

const TWO_BYTES = new Set(['big5', 'euc-jp', 'euc-kr', 'gb18030', 'gbk', 'shift_jis']);
const STATEFUL = new Set(['iso-2022-jp', 'replacement', 'x-user-defined']);
const tables = new Map<string, ReadonlyMap<string, readonly number[]>>();

/** Bytes by character, found by decoding every sequence of one and, where there are such, two bytes. */
function tableOf(encoding: string): ReadonlyMap<string, readonly number[]> {
  if (STATEFUL.has(encoding)) throw new Error(`${encoding} can be read but not written`);
  const known = tables.get(encoding);
  if (known !== undefined) return known;
  const decoder = new TextDecoder(encoding, { fatal: true });
  const table = new Map<string, readonly number[]>();
  const tryBytes = (...bytes: number[]) => {
    try {
      const text = decoder.decode(Uint8Array.from(bytes));
      if ([...text].length === 1 && !table.has(text)) table.set(text, bytes);
    } catch {
      // No character stands there.
    }
  };
  for (let byte = 0; byte < 256; byte++) tryBytes(byte);
  if (TWO_BYTES.has(encoding)) {
    for (let first = 0x81; first < 0xff; first++) {
      for (let second = 0x40; second < 0xff; second++) tryBytes(first, second);
    }
  }
  tables.set(encoding, table);
  return table;
}
