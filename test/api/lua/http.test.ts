import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { systemClock } from '../../../src/io/clock/index.ts';
import { failure, notingHost, values } from './kit.ts';

interface Seen {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

let server: Server;
let base = '';
let connections = 0;
const seen: Seen[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const path = request.url ?? '';
      const body = Buffer.concat(pieces).toString();
      seen.push({ method: request.method ?? '', path, headers: request.headers, body });
      if (path === '/silent') return;
      if (path === '/moved') return void response.writeHead(302, { Location: '/end' }).end();
      if (path === '/again') return void response.writeHead(307, { Location: '/end' }).end();
      if (path === '/circle') return void response.writeHead(302, { Location: '/circle' }).end();
      if (path === '/gone') return void response.writeHead(404, 'Nothing Here').end('no');
      if (path.startsWith('/v1/')) {
        const known = request.headers['x-vault-token'] === 'letmein' && path === '/v1/kv/data/mail/dkim';
        return void response
          .writeHead(known ? 200 : 403)
          .end(JSON.stringify({ data: { data: { key: 'the key', other: 'x' } } }));
      }
      response.writeHead(
        200,
        [
          ['Content-Type', 'text/plain'],
          ['X-Two', 'a'],
          ['X-Two', 'b'],
        ].flat(),
      );
      response.end(Buffer.from([0x68, 0x69, 0xff]));
    });
  });
  new WebSocketServer({ server }).on('connection', (client) => {
    client.send('one');
    client.send('two');
    client.close(1000);
  });
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** Runs with the real clock: the requests are real. */
const ask = (body: string) =>
  values(`local base = ...; ${body}`, [base], Object.assign(notingHost(), { clock: systemClock as never }));

test('an answer', async () => {
  const source = `
    local client = kumo.http.build_client{user_agent = 'me/1'}
    local r = client:get(base .. '/x?y=1'):header('X-A', 'b'):headers{['X-C'] = 'd'}:send()
    local names = 0
    for _ in pairs(r:headers()) do names = names + 1 end
    return r:status_code(), r:status_reason(), r:status_is_success(), r:status_is_client_error(), r:headers()['CONTENT-TYPE'],
      r:headers()['x-two'], r:bytes() == 'hi\\xff', r:text(), names > 2`;
  expect(await ask(source)).toEqual([200, 'OK', true, false, 'text/plain', 'a, b', true, 'hi\ufffd', true]);
  expect(seen.at(-1)).toMatchObject({
    method: 'GET',
    path: '/x?y=1',
    headers: { 'user-agent': 'me/1', 'x-a': 'b', 'x-c': 'd' },
  });
});

test('bodies and authentication', async () => {
  await ask(`
    local client = kumo.http.build_client{}
    client:post(base .. '/1'):body('{"a":1}'):header('content-type', 'application/json'):basic_auth('u', 'p'):send()
    client:put(base .. '/2'):form_url_encoded{['a b'] = 'ü&'}:bearer_auth('t'):send()
    client:post(base .. '/3'):form_multipart_data{note = 'hi', file = {data = 'x\\0y', file_name = 'a"b.txt'}}:send()`);
  const [one, two, three] = seen.slice(-3);
  expect(one).toMatchObject({
    method: 'POST',
    body: '{"a":1}',
    headers: { 'content-type': 'application/json', authorization: 'Basic dTpw', 'content-length': '7' },
  });
  expect(two).toMatchObject({
    method: 'PUT',
    body: 'a+b=%C3%BC%26',
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: 'Bearer t' },
  });
  const form = await new Response(three!.body, {
    headers: { 'content-type': three!.headers['content-type']! },
  }).formData();
  expect(form.get('note')).toBe('hi');
  const file = form.get('file') as File;
  expect([file.name, await file.text()]).toEqual(['a"b.txt', 'x\0y']);
});

test('connections are kept, redirects followed', async () => {
  const before = connections;
  await ask(`
    local client = kumo.http.build_client{}
    for i = 1, 3 do client:get(base .. '/' .. i):send():text() end
    assert(client:post(base .. '/moved'):body('x'):send():text())
    assert(client:post(base .. '/again'):body('y'):send():text())
    client:close()`);
  expect(connections - before).toBe(1);
  expect(seen.slice(-4).map(({ method, path, body }) => `${method} ${path} ${body}`)).toEqual([
    'POST /moved x',
    'GET /end ',
    'POST /again y',
    'POST /end y',
  ]);
  expect(await ask("return kumo.http.build_client{}:get(base .. '/gone'):send():status_code()")).toEqual([
    404,
  ]);
});

test('what goes wrong is an error that names the request', async () => {
  const why = (body: string) => ask(`local ok, e = pcall(function() ${body} end); return ok, tostring(e)`);
  const client = 'local client = kumo.http.build_client{timeout = 0.05}';
  expect((await why(`${client}; client:get(base .. '/silent'):send()`))[1]).toMatch(
    /GET http:\/\/127.*\/silent: no answer within 0.05 s/,
  );
  expect((await why(`${client}; client:get(base .. '/silent'):timeout('20ms'):send()`))[1]).toContain(
    '0.02 s',
  );
  expect((await why(`${client}; client:get(base .. '/circle'):timeout(10):send()`))[1]).toContain(
    '10 redirects',
  );
  expect((await why(`${client}; client:get('http://127.0.0.1:1/'):send()`))[1]).toContain('ECONNREFUSED');
  expect((await why(`${client}; client:get('ftp://u:secret@x/'):send()`))[1]).toMatch(
    /ftp:\/\/x\/: this is no http/,
  );
  expect((await why(`${client}; local r = client:get(base); r:send(); r:send()`))[1]).toContain(
    'has been sent',
  );
  expect((await why(`${client}; client:close(); client:get(base):send()`))[1]).toContain(
    'the client is closed',
  );
  expect((await why(`${client}; client:get(base):header('X', 'a\\r\\nb')`))[1]).toContain('line break');
  expect(await failure('kumo.http.build_client()')).toContain('options: expected a table');
});

test('build_url', async () => {
  expect(await ask("return kumo.http.build_url('http://x/y?a=1', {b = 'c d&'})")).toEqual([
    'http://x/y?a=1&b=c+d%26',
  ]);
});

test('requests signed for Amazon', async () => {
  await ask(`kumo.http.build_client{}:post(base .. '/q?x=1'):body('hello'):aws_sign_v4{access_key = 'A',
    secret_key = {key_data = 'S'}, region = 'r', service = 's', timestamp = 0}:send()`);
  const { headers } = seen.at(-1)!;
  expect(headers['x-amz-date']).toBe('19700101T000000Z');
  expect(headers.authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=A\/19700101\/r\/s\/aws4_request, SignedHeaders=host;x-amz-date, Signature=[0-9a-f]{64}$/,
  );
});

test('a websocket', async () => {
  const source = `
    local url = base:gsub('^http', 'ws')
    local one, response = kumo.http.connect_websocket(url)
    local two = kumo.http.connect_websocket(url)
    local batch = table.concat(two:recv_batch('20s'), '+')
    return response:status_code(), one:recv(), one:recv(), one:recv() == nil, batch, (pcall(two.recv_batch, two, 1))`;
  expect(await ask(source)).toEqual([101, 'one', 'two', true, 'one+two', false]);
  expect(
    await ask(`local ok, e = pcall(kumo.http.connect_websocket, 'ws://127.0.0.1:1/'); return ok, e`),
  ).toEqual([false, expect.stringContaining('ws://127.0.0.1:1/: no connection')]);
});

test('secrets of a vault', async () => {
  const source = (more: string) =>
    `kumo.secrets.load{vault_mount = 'kv', vault_path = 'mail/dkim', vault_address = base, vault_token = ${more}}`;
  expect(await ask(`return ${source("'letmein'")}, ${source("'letmein', vault_key = 'other'")}`)).toEqual([
    'the key',
    'x',
  ]);
  expect(await ask(`local ok, e = pcall(function() ${source("'no'")} end) return e`)).toEqual([
    expect.stringContaining('vault kv/mail/dkim: the vault answers 403'),
  ]);
  expect(
    await ask(`local ok, e = pcall(function() ${source("'letmein', vault_key = 'z'")} end) return e`),
  ).toEqual([expect.stringContaining("there is no text named 'z'")]);
});
