import { readFile } from 'node:fs/promises';
import type { KeySource } from '../../model/define/index.ts';
import { HttpClient } from '../http-client/index.ts';

export * from './kept-keys.ts';

/** Sources that need nothing of the policy. */
export type StoredKeySource = Exclude<KeySource, { from: 'event' }>;

/** The bytes of a file, of the policy itself, or of a HashiCorp Vault. Rejects with an Error that says why not. */
export async function readSecret(source: StoredKeySource): Promise<Buffer> {
  switch (source.from) {
    case 'file':
      return readFile(source.path);
    case 'inline':
      return Buffer.from(source.bytes);
    case 'vault':
      return readVault(source);
  }
}

const TIMEOUT = 30_000;
let client: HttpClient | undefined;

/** One field of a secret of the KV engine, version 2. Address and token fall back to VAULT_ADDR and VAULT_TOKEN. */
async function readVault(source: Extract<KeySource, { from: 'vault' }>): Promise<Buffer> {
  const place = `vault ${source.mount}/${source.path}`;
  const address = source.address ?? process.env.VAULT_ADDR;
  const token = source.token ?? process.env.VAULT_TOKEN;
  if (address === undefined) throw new Error(`${place}: neither vault_address nor VAULT_ADDR is set`);
  if (token === undefined) throw new Error(`${place}: neither vault_token nor VAULT_TOKEN is set`);
  client ??= new HttpClient({ timeout: TIMEOUT, userAgent: 'Moonpost' });
  const path = `${source.mount}/data/${source.path}`.split('/').map(encodeURIComponent).join('/');
  const url = `${address.replace(/\/+$/, '')}/v1/${path}`;
  const answer = await client.send({ method: 'GET', url, headers: new Map([['X-Vault-Token', token]]) });
  if (answer.status !== 200) throw new Error(`${place}: the vault answers ${answer.status} ${answer.reason}`);
  const value = fieldOf(await answer.body, source.key);
  if (value === undefined) throw new Error(`${place}: there is no text named '${source.key}'`);
  return Buffer.from(value);
}

function fieldOf(body: Buffer, key: string): string | undefined {
  try {
    const { data } = JSON.parse(body.toString()) as { data?: { data?: Record<string, unknown> } };
    const fields = data?.data ?? {};
    const value = Object.hasOwn(fields, key) ? fields[key] : undefined;
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
