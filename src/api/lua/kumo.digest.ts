import {
  anyValue,
  bytes,
  type CallContext,
  defineFunction,
  defineModule,
  defineObject,
  keySource,
  makeKind,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { formatJson } from '../../model/index.ts';
import {
  type Base,
  BinaryResult,
  crc32Digest,
  digest,
  encodeBinary,
  encodeHex,
  type HashName,
  hashNames,
  hmac,
} from '../../protocol/digest/index.ts';
import { loadKey } from './key-source.ts';

const HMACS = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const;

/** Strings as their bytes, everything else as its JSON. */
const piece = makeKind<Uint8Array>(
  'any',
  'any',
  (value, at) => {
    if (Buffer.isBuffer(value)) return value;
    return Buffer.from(formatJson(anyValue().parse(value, at, false)));
  },
  { raw: true },
);

function digestFunction(doc: string, hash: (pieces: Uint8Array[]) => BinaryResult): UnnamedFunction {
  return defineFunction({
    rest: piece,
    returns: 'binary_result',
    doc,
    call: (_, _context, rest) => hash(rest as Uint8Array[]),
  });
}

function hmacFunction(name: HashName): UnnamedFunction {
  return defineFunction({
    params: { key: keySource(), bytes: bytes() },
    returns: 'binary_result',
    doc: `HMAC with ${name.toUpperCase()}. The key comes first and is a key source: a bare string is a file name.`,
    call: async ({ key, bytes }, context: CallContext) => hmac(name, await loadKey(key, context), bytes),
  });
}

export const digestModule = defineModule(
  'kumo.digest',
  { doc: 'Hashes.' },
  {
    ...Object.fromEntries(
      hashNames.map((name) => [
        name,
        digestFunction(
          `${name.toUpperCase()} of all arguments put together; what is no string counts as JSON.`,
          (pieces) => digest(name, pieces),
        ),
      ]),
    ),
    crc32: digestFunction('CRC-32 of all arguments put together.', crc32Digest),
    ...Object.fromEntries(HMACS.map((name) => [`hmac_${name}`, hmacFunction(name)])),
  },
);

const text = (base: Base, padded: boolean) => ({
  luaType: 'string',
  doc: `As ${base}${padded ? '' : ' without padding'}.`,
  get: (self: BinaryResult) => encodeBinary(base, self.bytes, padded),
});

export const binaryResultObject = defineObject('binary_result', BinaryResult, {
  doc: 'Bytes, such as a hash, to be shown as text. tostring gives hexadecimal.',
  fields: {
    hex: { luaType: 'string', doc: 'As hexadecimal digits.', get: (self) => encodeHex(self.bytes) },
    bytes: { luaType: 'string', doc: 'As they are.', get: (self) => self.bytes },
    base32: text('base32', true),
    base32_nopad: text('base32', false),
    base32hex: text('base32hex', true),
    base32hex_nopad: text('base32hex', false),
    base64: text('base64', true),
    base64_nopad: text('base64', false),
    base64url: text('base64url', true),
    base64url_nopad: text('base64url', false),
  },
  text: (self) => encodeHex(self.bytes),
});
