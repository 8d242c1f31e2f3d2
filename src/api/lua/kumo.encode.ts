import {
  boolean,
  bytes,
  defineFunction,
  defineModule,
  optional,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { decodeCharset, encodeCharset } from '../../protocol/charset/index.ts';
import { type Base, decodeBinary, decodeHex, encodeBinary, encodeHex } from '../../protocol/digest/index.ts';

const BASES: readonly Base[] = ['base32', 'base32hex', 'base64', 'base64url'];

function coders(base: Base, padded: boolean): [string, UnnamedFunction][] {
  const name = padded ? base : `${base}_nopad`;
  const padding = padded ? 'padded with =' : 'without padding';
  return [
    [
      `${name}_encode`,
      defineFunction({
        params: { bytes: bytes() },
        returns: 'string',
        doc: `Bytes as ${base}, ${padding}.`,
        call: ({ bytes }) => encodeBinary(base, bytes, padded),
      }),
    ],
    [
      `${name}_decode`,
      defineFunction({
        params: { text: string() },
        returns: 'string',
        doc: padded
          ? `Bytes of ${base}; how many = end it does not matter.`
          : `Bytes of ${base} without any =.`,
        call: ({ text }) => decodeBinary(base, text, padded),
      }),
    ],
  ];
}

export const encodeModule = defineModule(
  'kumo.encode',
  { doc: 'Bytes as text and back, and character sets.' },
  {
    ...Object.fromEntries(BASES.flatMap((base) => [...coders(base, true), ...coders(base, false)])),
    hex_encode: defineFunction({
      params: { bytes: bytes() },
      returns: 'string',
      doc: 'Bytes as hexadecimal digits in lower case.',
      call: ({ bytes }) => encodeHex(bytes),
    }),
    hex_decode: defineFunction({
      params: { text: string() },
      returns: 'string',
      doc: 'Bytes of hexadecimal digits in lower case.',
      call: ({ text }) => decodeHex(text),
    }),
    charset_decode: defineFunction({
      params: { charset: string(), bytes: bytes() },
      returns: 'string',
      doc: 'The text of bytes in a character set. One that is not known raises an error.',
      call: ({ charset, bytes }) => decodeCharset(charset, bytes),
    }),
    charset_encode: defineFunction({
      params: { charset: string(), text: string(), ignore: optional(boolean(), true) },
      returns: 'string',
      doc: 'A text in a character set. Characters that it lacks are left out, or raise an error.',
      call: ({ charset, text, ignore }) => encodeCharset(charset, text, ignore),
    }),
  },
);
