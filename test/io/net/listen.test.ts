import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { type ListenError, listen } from '../../../src/io/net/index.ts';
import type { Transport } from '../../../src/model/index.ts';

test('port 0 becomes a number, and close frees it', async () => {
  const first = await listen({ address: '127.0.0.1', port: 0 }, () => {});
  expect(first.address).toBe('127.0.0.1');
  expect(first.port).toBeGreaterThan(0);
  const taken = listen({ address: '127.0.0.1', port: first.port }, () => {});
  await expect(taken).rejects.toThrow(
    `cannot listen on 127.0.0.1:${first.port}: another process listens there`,
  );
  await expect(taken).rejects.toMatchObject({ code: 'EADDRINUSE' } satisfies Partial<ListenError>);
  await first.close();
  await first.close();
  const second = await listen({ address: '127.0.0.1', port: first.port }, () => {});
  await second.close();
});

test('reusePort shares a port', async () => {
  const first = await listen({ address: '127.0.0.1', port: 0, reusePort: true }, () => {});
  const second = await listen({ address: '127.0.0.1', port: first.port, reusePort: true }, () => {});
  expect(second.port).toBe(first.port);
  await Promise.all([first.close(), second.close()]);
});

test('a client may close its side before it reads', async () => {
  const accepted = Promise.withResolvers<Transport>();
  const listening = await listen({ address: '127.0.0.1', port: 0 }, (transport) => {
    let text = '';
    transport.receive({
      data: (chunk) => {
        text += chunk.toString();
      },
      end: () => {
        transport.write(text.toUpperCase());
        transport.end();
      },
      closed: () => accepted.resolve(transport),
    });
  });
  const socket = connect({ port: listening.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end('hello');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  expect(Buffer.concat(chunks).toString()).toBe('HELLO');
  expect((await accepted.promise).local.port).toBe(listening.port);
  await listening.close();
});

test('close leaves what was accepted alone', async () => {
  const listening = await listen({ address: '127.0.0.1', port: 0 }, (transport) => {
    transport.receive({
      data: (chunk) => transport.write(chunk),
      end: () => transport.end(),
      closed: () => {},
    });
  });
  const socket = connect(listening.port, '127.0.0.1');
  socket.write('one');
  await once(socket, 'data');
  await listening.close();
  socket.write('two');
  const [echo] = (await once(socket, 'data')) as [Buffer];
  expect(echo.toString()).toBe('two');
  socket.end();
  await once(socket, 'close');
});
