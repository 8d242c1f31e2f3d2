import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { TransferClient } from '../../../src/flow/delivery/index.ts';
import { Message, unpackMessage } from '../../../src/model/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';

const ID = '7b1f0f4a5a5211f08010203040506070';
const NEW_ID = '7b1f0f4a5a5211f08001020304050607';
const NODE_ID = '00000000-0000-4000-8000-00000000000a';

interface Request {
  url: string | undefined;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

const clients: TransferClient[] = [];
const servers: Server[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) server.close();
});

/** A node on this machine, which answers as it is told; gives its URL and what it was sent. */
async function nodeThat(
  answer: (response: ServerResponse) => void,
): Promise<{ url: string; got: Request[] }> {
  const got: Request[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      got.push({ url: request.url, headers: request.headers, body: Buffer.concat(pieces) });
      answer(response);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, got };
}

function send(url: string, body = Buffer.from('Subject: x\r\n\r\nhi\r\n')) {
  const client = new TransferClient();
  clients.push(client);
  const message = new Message({
    id: ID,
    sender: EnvelopeAddress.parse('s@a.example')!,
    recipients: [EnvelopeAddress.parse('u@b.example')!],
    meta: { tenant: 'blue' },
    body,
  });
  return client.send(message, url, NODE_ID);
}

const taken = (response: ServerResponse): void => void response.end(JSON.stringify({ id: NEW_ID }));

test('a message goes packed, with where it comes from', async () => {
  const { url, got } = await nodeThat(taken);
  expect(await send(url)).toEqual({ kind: 'taken', id: NEW_ID });
  expect(got[0]).toMatchObject({
    url: '/api/xfer/inject/v1',
    headers: { 'content-encoding': 'gzip', 'content-type': 'application/octet-stream' },
  });
  const there = unpackMessage(gunzipSync(got[0]!.body), (id) => id);
  expect(there.meta).toEqual({ tenant: 'blue', xfer_prior_id: ID, xfer_prior_node: NODE_ID });
  expect(String(there.body)).toBe('Subject: x\r\n\r\nhi\r\n');
});

test('one that packs so well that it would look like an attack goes as it is', async () => {
  const { url, got } = await nodeThat(taken);
  expect(await send(url, Buffer.alloc(5_000_000, 'a'))).toMatchObject({ kind: 'taken' });
  expect(got[0]!.headers).not.toHaveProperty('content-encoding');
  expect(unpackMessage(got[0]!.body, (id) => id).size).toBe(5_000_000);
});

test.each<[string, (response: ServerResponse) => void, string]>([
  [
    'an error',
    (response) => response.writeHead(503).end('Error: load shedding'),
    'answered 503: Error: load shedding',
  ],
  ['no id', (response) => response.end('{}'), 'answered 200: {}'],
  ['what is no id', (response) => response.end('{"id":"x"}'), 'answered 200'],
  ['what is no JSON', (response) => response.end('<html>'), 'answered 200: <html>'],
  [
    'success of another kind',
    (response) => response.writeHead(202).end(`{"id":"${NEW_ID}"}`),
    'answered 202',
  ],
  ['nothing', (response) => response.socket!.destroy(), 'socket hang up'],
  [
    'half of an answer',
    (response) => void response.writeHead(200, { 'content-length': 99 }).write('{', () => response.destroy()),
    'aborted',
  ],
])('%s is no promise to keep it', async (_, answer, why) => {
  const { url } = await nodeThat(answer);
  expect(await send(url)).toEqual({ kind: 'failed', why: expect.stringContaining(why) });
});

test('nobody else is asked in place of the node', async () => {
  const other = await nodeThat(taken);
  const { url } = await nodeThat((response) => response.writeHead(307, { location: other.url }).end());
  expect(await send(url)).toMatchObject({ kind: 'failed' });
  expect(other.got).toEqual([]);
});

test('a node that is not there is told of', async () => {
  expect(await send('http://127.0.0.1:1/')).toMatchObject({
    kind: 'failed',
    why: expect.stringContaining('ECONNREFUSED'),
  });
});
