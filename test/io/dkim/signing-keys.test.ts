import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { SigningKeys } from '../../../src/io/dkim/index.ts';
import type { KeySource } from '../../../src/model/define/index.ts';
import { FakeClock, settle } from '../../kit/fake-clock.ts';

const TTL = 300_000;
const file: KeySource = { from: 'file', path: '/etc/dkim/s1.key' };
const pem = () =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

let clock: FakeClock;
let epoch: number;
let told: string[];
let said: Set<string>;
let reads: number;
let answer: () => Promise<Uint8Array>;
let keys: SigningKeys;

const get = (source: KeySource = file, ttl = TTL) => keys.get(source, ttl, () => read());
const read = () => {
  reads += 1;
  return answer();
};
const gives = (text: string) => {
  answer = async () => Buffer.from(text);
};
const fails = (error: Error) => {
  answer = () => Promise.reject(error);
};
const missing = () => Object.assign(new Error("ENOENT: no such file, open '…'"), { code: 'ENOENT' });

beforeEach(() => {
  clock = new FakeClock();
  epoch = 1;
  told = [];
  said = new Set();
  reads = 0;
  gives(pem());
  const tell = (_target: string, text: string) => void told.push(text);
  keys = new SigningKeys({
    clock,
    diagnostics: { error: tell, warn: tell, info: tell, debug: tell },
    epoch: () => epoch,
    once: (key) => !said.has(key) && said.add(key).has(key),
  });
});

test('a key is read once, and then there at once', async () => {
  const [first, second] = await Promise.all([get(), get()]);
  expect(get()).toBe(first);
  expect(second).toBe(first);
  expect(reads).toBe(1);
});

test('it is read again when it is old, and in a new epoch', async () => {
  const first = await get();
  await clock.advance(TTL);
  gives(pem());
  const second = await get();
  expect(second).not.toBe(first);
  epoch += 1;
  gives(pem());
  expect(await get()).not.toBe(second);
  expect(reads).toBe(3);
});

test('without a key there is an error that names the source', async () => {
  fails(missing());
  await expect(get()).rejects.toThrow(/^\/etc\/dkim\/s1\.key: there is no such file$/);
  gives('');
  await expect(get()).rejects.toThrow(/^\/etc\/dkim\/s1\.key: it is empty$/);
  fails(new Error('vault dkim/a.example/s1: the vault answers 403 Forbidden'));
  const vault: KeySource = { from: 'vault', mount: 'dkim', path: 'a.example/s1', key: 'key' };
  await expect(get(vault)).rejects.toThrow(/^vault dkim\/a\.example\/s1: the vault answers 403 Forbidden$/);
  fails(new Error('Event k has not been registered'));
  const event: KeySource = { from: 'event', event: 'k', args: [] };
  await expect(get(event)).rejects.toThrow(/^Event k has not been registered$/);
  const inline: KeySource = { from: 'inline', bytes: Buffer.from('not for anybody') };
  gives('not for anybody');
  await expect(get(inline)).rejects.toThrow(/^key_data: it is no private key in PEM or DER$/);
  expect(told).toEqual([]);
});

test('a key that was good goes on when its source fails, which is told of once', async () => {
  const first = await get();
  epoch += 1;
  fails(missing());
  expect(await get()).toBe(first);
  expect(get()).toBe(first);
  await clock.advance(60_000);
  expect(await get()).toBe(first);
  const line = '/etc/dkim/s1.key: there is no such file; the key that was read before goes on signing';
  expect(told).toEqual([line]);
  gives(pem());
  await clock.advance(60_000);
  expect(await get()).not.toBe(first);
  epoch += 1;
  fails(missing());
  await get();
  expect(told).toEqual([line, line]);
});

test('a source that does not answer holds up mail for 5 seconds, and is used when it does', async () => {
  const first = await get();
  epoch += 1;
  let bring = (_bytes: Buffer): void => undefined;
  answer = () =>
    new Promise((resolve) => {
      bring = resolve;
    });
  const waiting = get();
  await clock.advance(5000);
  expect(await waiting).toBe(first);
  expect(get()).toBe(first);
  expect(told).toEqual([
    '/etc/dkim/s1.key: no answer after 5 s; the key that was read before goes on signing',
  ]);
  bring(Buffer.from(pem()));
  await settle();
  expect(get()).not.toBe(first);
  expect(clock.pending).toBe(0);
});

test('what began to be read before an epoch does not count in it', async () => {
  const [old, young] = [pem(), pem()];
  let bring = (_bytes: Buffer): void => undefined;
  answer = () =>
    new Promise((resolve) => {
      bring = resolve;
    });
  const first = get();
  epoch += 1;
  gives(young);
  const second = await get();
  bring(Buffer.from(old));
  expect(await first).not.toBe(second);
  expect(await get()).toBe(second);
});
