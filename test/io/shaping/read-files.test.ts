import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readShapingFiles, remoteCopies } from '../../../src/io/shaping/index.ts';

const options = { skipRemote: false, httpTimeout: 60_000 };

/** A server that answers what it is told to. */
async function remote() {
  const answer = { status: 200, text: '["default"]\nsmtp_port = 25' };
  const server = createServer((_, response) => void response.writeHead(answer.status).end(answer.text));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  onTestFinished(() => void server.close());
  return { answer, stop, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/shaping.toml` };
}

test('of a URL that fails, or says nonsense, the last good copy holds', async () => {
  const { answer, stop, url } = await remote();
  const copies = remoteCopies();
  const read = async () => (await readShapingFiles([url], options, copies))[0]!;
  const good = { default: { smtp_port: 25 } };

  expect((await read()).failure).toBeUndefined();
  answer.text = '["default"]\nsmtp_port = = 26';
  expect(await read()).toMatchObject({
    file: { table: good },
    failure: {
      rule: 'unreachable-url',
      text: `remote shaping source ${url} error: line 2: invalid value; what it said last still holds`,
    },
  });
  answer.status = 503;
  expect((await read()).failure?.text).toContain('503 Service Unavailable; what it said last still holds');
  Object.assign(answer, { status: 200, text: '["default"]\nsmtp_port = 27' });
  expect(await read()).toMatchObject({ file: { table: { default: { smtp_port: 27 } } } });
  await stop();
  const last = await read();
  expect(last).toMatchObject({ file: { table: { default: { smtp_port: 27 } } } });
  expect(last.failure?.text).toContain('what it said last still holds');
});

test('without a copy it counts as empty, and nonsense is nonsense', async () => {
  const { answer, stop, url } = await remote();
  answer.text = '= =';
  expect(await readShapingFiles([url], options, remoteCopies())).toMatchObject([
    { file: { table: {}, problem: { line: 1, column: 1 } } },
  ]);
  await stop();
  const [gone] = await readShapingFiles([url], options, remoteCopies());
  expect(gone).toMatchObject({ file: { table: {} }, failure: { rule: 'unreachable-url' } });
  expect(gone!.file.problem).toBeUndefined();
});

test('a file listed twice is read at its last place; the order stays', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-shaping-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = (name: string) => join(directory, name);
  for (const name of ['a.toml', 'b.toml']) writeFileSync(path(name), '');
  const names = [path('a.toml'), path('b.toml'), path('missing'), relative('', path('a.toml'))];
  const read = await readShapingFiles(names, options, remoteCopies());
  expect(read.map(({ file }) => file.name)).toEqual(names.slice(1));
  expect(read.map(({ failure }) => failure?.rule)).toEqual([undefined, 'unreadable-file', undefined]);
});
