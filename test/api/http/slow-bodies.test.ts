import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { serveHttp } from '../../../src/api/http/index.ts';
import { reservePort } from '../../../src/io/net/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { httpListenerOptions } from '../../../src/model/options/index.ts';
import { benchParts } from './kit.ts';

// The machine may be busy.
vi.setConfig({ testTimeout: 120_000 });

/** A server whose requests must be there soon. */
async function patientServer(requestTimeout: number) {
  const reservation = await reservePort({ address: '127.0.0.1', port: 0 });
  await reservation.release();
  const options = parseOptions(httpListenerOptions, { listen: `127.0.0.1:${reservation.port}` });
  const { parts } = benchParts();
  return { port: reservation.port, server: await serveHttp(options, { ...parts, requestTimeout }) };
}

/** All that the server says until it hangs up. */
async function talk(port: number, said: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    heard += text;
  });
  socket.on('error', () => {});
  socket.write(said);
  await once(socket, 'close');
  return heard;
}

test.each([
  [
    'a body',
    'POST /api/inject/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  ],
  ['headers', 'POST /api/inject/v1 HTTP/1.1\r\nHost: x\r\nContent-Ty'],
])('%s that does not end is answered 408, and the connection closed', async (_what, said) => {
  const { port, server } = await patientServer(200);
  try {
    expect(await talk(port, said)).toMatch(/^HTTP\/1\.1 408 /);
  } finally {
    await server.close();
  }
});
