import type { Json, JsonObject } from './json.ts';

/** Stands for what nobody is to see. */
export const BLOTTED = '***';

/** Shorter ones would blot out half of the trace, and are soon guessed. */
const SHORTEST_SECRET = 4;

/** A header with credentials, and the lines that it goes on in. */
const AUTHORIZATION =
  /(authorization["']?[ \t]{0,8}[:=][ \t]{0,8})(?=[^ \t\r\n])[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*/gi;
const URL_PASSWORD = /(:\/\/[^\s/?#@:"'<>]{0,256}):[^\s/?#"'<>]{0,256}@/g;
const PRIVATE_KEY = /(-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----)[^-]*/g;
/** Values that are secrets for what they are called. */
const SECRET_NAME =
  /^(?:(?:proxy[-_])?authorization|(?:[a-z0-9]+_)*(?:password|passwd|secret)|key_data|vault_token)$/i;

/** Text of a session without credentials: those in headers and URLs, private keys, and the `secrets` it knows of. */
export function textWithoutSecrets(text: string, secrets: readonly string[]): string {
  let plain = text;
  for (const secret of secrets) {
    if (secret.length >= SHORTEST_SECRET) plain = plain.replaceAll(secret, BLOTTED);
  }
  return plain
    .replace(AUTHORIZATION, `$1${BLOTTED}`)
    .replace(URL_PASSWORD, `$1:${BLOTTED}@`)
    .replace(PRIVATE_KEY, `$1${BLOTTED}`);
}

/** The same of every text in it, and of what is called a secret. */
export function jsonWithoutSecrets<T extends Json>(value: T, secrets: readonly string[]): T {
  if (typeof value === 'string') return textWithoutSecrets(value, secrets) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => jsonWithoutSecrets(one, secrets)) as unknown as T;
  const copy = Object.create(null) as JsonObject;
  for (const name of Object.keys(value)) {
    const own = (value as JsonObject)[name]!;
    copy[name] = SECRET_NAME.test(name) && own !== null ? BLOTTED : jsonWithoutSecrets(own, secrets);
  }
  return copy as T;
}
