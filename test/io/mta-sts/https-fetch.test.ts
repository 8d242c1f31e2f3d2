import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TestResolver } from '../../../src/io/dns/index.ts';
import { FETCH_TIMEOUT, fetchPolicyOverHttps } from '../../../src/io/mta-sts/index.ts';
import { type Issued, issue } from '../../kit/certificates.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const resolver = new TestResolver([
  'mta-sts.a.example. A 127.0.0.1\nmta-sts.b.example. A 127.0.0.1\nmta-sts.c.example. AAAA ::1\n',
]);
const POLICY = 'version: STSv1\r\nmode: enforce\r\nmx: mx.a\r\nmax_age: 60\r\n';

let own: Issued;
let nameless: Issued;
beforeAll(async () => {
  own = await issue({ name: 'mta-sts.a.example' });
  nameless = await issue({ name: 'mta-sts.a.example', dns: [] });
});

/** A web server on a port of the loopback; gives how to fetch from it. */
async function serve(answer: RequestListener, { cert, key }: Issued = own, clock = new FakeClock()) {
  const server = createServer({ cert, key }, answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return fetchPolicyOverHttps({ resolver, clock, port, ca: cert });
}

const plain: RequestListener = (_request, response) =>
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(POLICY);

test('gets the policy from its place', async () => {
  const asked: unknown[] = [];
  const fetch = await serve((request, response) => {
    asked.push([request.method, request.url, request.headers.host]);
    plain(request, response);
  });
  expect(await fetch('a.example')).toBe(POLICY);
  expect(asked).toEqual([['GET', '/.well-known/mta-sts.txt', 'mta-sts.a.example']]);
});

describe('is refused:', () => {
  test('a certificate for another name', async () => {
    const fetch = await serve(plain);
    await expect(fetch('b.example')).rejects.toThrow(/^https:\/\/mta-sts\.b\.example: .*altnames/);
  });

  test('a certificate whose name is only in the subject', async () => {
    const fetch = await serve(plain, nameless);
    await expect(fetch('a.example')).rejects.toThrow('its certificate has no subjectAltName');
  });

  test('a certificate that nobody vouches for', async () => {
    const server = createServer({ cert: own.cert, key: own.key }, plain);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    afterAll(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const fetch = fetchPolicyOverHttps({ resolver, clock: new FakeClock(), port });
    await expect(fetch('a.example')).rejects.toThrow(/self.signed/);
  });

  test.each([301, 302, 404, 500, 204])('status %d', async (status) => {
    const fetch = await serve((_request, response) =>
      response
        .writeHead(status, { Location: 'https://mta-sts.a.example/', 'Content-Type': 'text/plain' })
        .end(),
    );
    await expect(fetch('a.example')).rejects.toThrow(`it answered ${status}`);
  });

  test('another type', async () => {
    const fetch = await serve((_request, response) =>
      response.writeHead(200, { 'Content-Type': 'text/html' }).end(POLICY),
    );
    await expect(fetch('a.example')).rejects.toThrow('it answered with text/html instead of text/plain');
  });

  test('more than 64 KiB', async () => {
    const fetch = await serve((_request, response) =>
      response.writeHead(200, { 'Content-Type': 'text/plain' }).end('x'.repeat(65_537)),
    );
    await expect(fetch('a.example')).rejects.toThrow('its answer has more than 65536 bytes');
  });

  test('an answer that ends before its end', async () => {
    const fetch = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': '1000' });
      response.write(POLICY);
      response.destroy();
    });
    await expect(fetch('a.example')).rejects.toThrow('https://mta-sts.a.example: ');
  });

  test('a server that takes too long, and a host without an address or with nobody there', async () => {
    const clock = new FakeClock();
    let heard = (): void => {};
    const asked = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const fetch = await serve(() => heard(), own, clock);
    const waiting = fetch('a.example');
    await asked;
    await Promise.all([
      clock.advance(FETCH_TIMEOUT),
      expect(waiting).rejects.toThrow('no answer within 30 s'),
    ]);
    await expect(fetch('none.example')).rejects.toThrow('no such domain: mta-sts.none.example');
    await expect(fetch('c.example')).rejects.toThrow('https://mta-sts.c.example: connect');
  });
});
