import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Server } from '../../src/cli/endpoint.ts';

const open: { close: () => void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function serving(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => server.closeAllConnections() }, server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('asks with a query and a JSON body, without what is undefined', async () => {
  const asked: unknown[] = [];
  const url = await serving((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      asked.push([request.method, request.url, request.headers['content-type'], body]);
      response.end('{"a":1}');
    });
  });
  const server = new Server(url);
  expect(await server.getJson('/x', { query: { a: 'b c', n: 5, no: undefined } })).toEqual({ a: 1 });
  expect(await server.postJson('/y', { r: 'x', no: undefined })).toEqual({ a: 1 });
  expect(asked).toEqual([
    ['GET', '/x?a=b+c&n=5', undefined, ''],
    ['POST', '/y', 'application/json', '{"r":"x"}'],
  ]);
});

test('a user and password of the endpoint are sent, and never shown', async () => {
  const url = await serving((request, response) => response.end(request.headers.authorization));
  const server = new Server(url.replace('//', '//al%40ice:pass%3Aword@'));
  const sent = await server.text('GET', '/x');
  expect(sent).toBe(`Basic ${Buffer.from('al@ice:pass:word').toString('base64')}`);
  expect(server.endpoint).toBe(url);
  for (const one of open.splice(0)) one.close();
  await expect(server.text('GET', '/')).rejects.toThrow(`cannot reach ${url}: `);
});

test('a refusal is an error with what the server said', async () => {
  const server = new Server(
    await serving((_, response) => {
      response.statusCode = 404;
      response.end('Error: no such queue x\n');
    }),
  );
  await expect(server.text('GET', '/')).rejects.toThrow(
    /^request status 404: Not Found\. Response body: Error: no such queue x$/,
  );
});

test('a server that is silent, or away, is an error', async () => {
  const silent = await serving(() => {});
  await expect(new Server(silent, 50).text('GET', '/')).rejects.toThrow(
    `${silent} did not answer within 0.05 s`,
  );
  const url = await serving((_, response) => response.end());
  for (const one of open.splice(-2)) one.close();
  await expect(new Server(url).text('GET', '/')).rejects.toThrow(`cannot reach ${url}: `);
});
