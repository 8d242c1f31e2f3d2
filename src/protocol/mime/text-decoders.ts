type Decoder = InstanceType<typeof TextDecoder>;

/** Making a decoder, or finding that there is none, takes as long as decoding a kilobyte. */
const MOST_KEPT = 64;
const kept = new Map<string, Decoder | undefined>();

/** The lenient decoder of a charset (WHATWG names, any case); undefined for a charset that nobody knows. */
export function textDecoder(charset: string, ignoreBOM = false): Decoder | undefined {
  const key = `${ignoreBOM ? 'b' : ''} ${charset.slice(0, 100).toLowerCase()}`;
  if (kept.has(key)) return kept.get(key);
  if (kept.size >= MOST_KEPT) kept.clear();
  const decoder = makeDecoder(charset.slice(0, 100), ignoreBOM);
  kept.set(key, decoder);
  return decoder;
}

function makeDecoder(charset: string, ignoreBOM: boolean): Decoder | undefined {
  try {
    return new TextDecoder(charset, { ignoreBOM });
  } catch {
    return undefined;
  }
}
