import { generate } from 'selfsigned';
import { expect, test } from 'vitest';
import { ListenerIdentities } from '../../../src/io/tls/index.ts';
import type { KeySource } from '../../../src/model/define/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const file = (path: string): KeySource => ({ from: 'file', path });
const made = await generate([{ name: 'commonName', value: 'mx.test' }], { algorithm: 'sha256' });
const other = await generate([{ name: 'commonName', value: 'other.test' }], { algorithm: 'sha256' });

function identities(files: Record<string, string>) {
  const clock = new FakeClock();
  const reads: string[] = [];
  const known = new ListenerIdentities(clock, (source) => {
    const path = source.from === 'file' ? source.path : '';
    reads.push(path);
    const text = files[path];
    return text === undefined
      ? Promise.reject(new Error('no such file'))
      : Promise.resolve(Buffer.from(text));
  });
  const find = (certificate?: KeySource, privateKey?: KeySource) =>
    known.find({ hostname: 'mx.test', certificate, privateKey, clientCa: undefined });
  return { clock, reads, find };
}

test('files are read again after 5 minutes; the same texts are the same identity', async () => {
  const files: Record<string, string> = { cert: made.cert, key: made.private };
  const { clock, reads, find } = identities(files);
  const first = await find(file('cert'), file('key'));
  expect(first).toEqual({ certificate: made.cert, privateKey: made.private });
  await clock.advance(299_000);
  expect(await find(file('cert'), file('key'))).toBe(first);
  expect(reads).toHaveLength(2);
  await clock.advance(2000);
  expect(await find(file('cert'), file('key'))).toBe(first);
  expect(reads).toHaveLength(4);
  Object.assign(files, { cert: other.cert, key: other.private });
  await clock.advance(301_000);
  expect((await find(file('cert'), file('key'))).certificate).toBe(other.cert);
});

test('what cannot be used is an error that names it, and is tried again', async () => {
  const files: Record<string, string> = { cert: made.cert };
  const { find } = identities(files);
  await expect(find(file('cert'), file('key'))).rejects.toThrow('tls_private_key: no such file');
  await expect(find(file('cert'))).rejects.toThrow('together');
  files.key = other.private;
  await expect(find(file('cert'), file('key'))).rejects.toThrow(/key values mismatch/i);
  files.key = 'garbage';
  await expect(find(file('cert'), file('key'))).rejects.toThrow();
  files.key = made.private;
  await expect(find(file('cert'), file('key'))).resolves.toBeDefined();
});
