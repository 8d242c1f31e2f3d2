import { randomBytes } from 'node:crypto';
import {
  bytes,
  type CallContext,
  defineFunction,
  defineModule,
  type KeySource,
  keySource,
  makeKind,
  oneOf,
  refuse,
  typeOfValue,
} from '../../model/define/index.ts';
import { aesDecrypt, aesEncrypt, BinaryResult, signForAws } from '../../protocol/digest/index.ts';
import { loadKey } from './key-source.ts';

const mode = oneOf('Cbc', 'Ecb');

/** `{key = KeySource}`; other names are ignored. */
const keyTable = makeKind('table with a key', '{key: kumo.KeySource}', (value, at): KeySource => {
  if (typeOfValue(value) !== 'table') return refuse(at, 'a table with a key', value);
  return keySource().parse((value as { key?: unknown }).key, `${at}.key`, true);
});

/** The argument of aws_sign_v4; unknown names are ignored. */
export interface AwsParameters {
  readonly table: Readonly<Record<string, unknown>>;
  readonly secretKey: KeySource;
}

export const awsTable = makeKind('table', 'table', (value, at): AwsParameters => {
  if (typeOfValue(value) !== 'table') return refuse(at, 'a table', value);
  const table = value as Record<string, unknown>;
  return { table, secretKey: keySource().parse(table.secret_key, `${at}.secret_key`, true) };
});

/** Signs; what the table does not say of the request comes from `request`. */
export async function awsSignature(
  { table, secretKey }: AwsParameters,
  context: CallContext,
  request: { method?: string; uri?: string; query?: Record<string, string> } = {},
) {
  const text = (name: string, otherwise?: string) => {
    const value = table[name] ?? otherwise;
    return typeof value === 'string' ? value : refuse(name, 'a string', value);
  };
  const texts = (name: string, otherwise: Record<string, string> = {}): Record<string, string> => {
    const value = table[name] ?? otherwise;
    return typeof value !== 'object' || value === null
      ? refuse(name, 'a table', value)
      : Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, String(entry)]));
  };
  const { timestamp, payload, session_token: token } = table;
  return signForAws({
    accessKey: text('access_key'),
    secretKey: await loadKey(secretKey, context),
    region: text('region'),
    service: text('service'),
    method: text('method', request.method),
    uri: text('uri', request.uri),
    query: texts('query_params', request.query),
    headers: texts('headers'),
    payload: Buffer.isBuffer(payload) ? payload : Buffer.from(typeof payload === 'string' ? payload : ''),
    time: awsTime(timestamp, context),
    ...(typeof token === 'string' && { sessionToken: token }),
  });
}

/** Seconds since 1970, a date text, a time object, or now. */
function awsTime(timestamp: unknown, { host }: CallContext): number {
  if (timestamp === undefined || timestamp === null) return host.clock.now();
  if (typeof timestamp === 'number') return timestamp * 1000;
  if (typeof timestamp === 'object' && 'milliseconds' in timestamp) return Number(timestamp.milliseconds);
  const compact = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(timestamp));
  const text =
    compact === null
      ? String(timestamp)
      : String(timestamp).replace(/^(.{4})(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5');
  const time = Date.parse(text);
  return Number.isNaN(time) ? refuse('timestamp', 'a time', timestamp) : time;
}

export const cryptoModule = defineModule(
  'kumo.crypto',
  { doc: 'Encryption and signatures.' },
  {
    aes_encrypt_block: defineFunction({
      params: { mode, bytes: bytes(), key: keyTable },
      returns: 'string',
      doc: 'AES with PKCS #7 padding; the key has 16 or 32 bytes. Cbc begins with its random IV.',
      call: async ({ mode, bytes, key }, context) =>
        aesEncrypt(mode, await loadKey(key, context), bytes, randomBytes(16)),
    }),
    aes_decrypt_block: defineFunction({
      params: { mode, bytes: bytes(), key: keyTable },
      returns: 'binary_result',
      doc: 'The reverse of aes_encrypt_block.',
      call: async ({ mode, bytes, key }, context) =>
        new BinaryResult(aesDecrypt(mode, await loadKey(key, context), bytes)),
    }),
    aws_sign_v4: defineFunction({
      params: { request: awsTable },
      returns:
        '{authorization: string, timestamp: string, signature: string, canonical_request: string, string_to_sign: string}',
      doc: 'Signature of a request to Amazon Web Services: access_key, secret_key, region, service, method, uri, query_params, headers, payload, timestamp, session_token.',
      call: ({ request }, context) => awsSignature(request, context),
    }),
  },
);
