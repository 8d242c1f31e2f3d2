import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SmtpServer } from '../../../src/flow/smtp-server/index.ts';
import { systemClock } from '../../../src/io/clock/index.ts';
import { type Listening, listen } from '../../../src/io/net/index.ts';
import { TestServer } from '../../kit/smtp-session.ts';

// nodemailer's client, which we did not write, over a real socket and the real clock.
const kit = new TestServer({ options: { max_message_size: 100_000 } });
const server = new SmtpServer({ ...kit.parameters, clock: systemClock });
let listening: Listening;
const client = () =>
  createTransport({
    host: '127.0.0.1',
    port: listening.port,
    ignoreTLS: true,
    name: 'client.example',
    pool: true,
  });

beforeAll(async () => {
  listening = await listen({ address: '127.0.0.1', port: 0 }, (transport) => server.accept(transport));
});

afterAll(async () => {
  await listening.close();
  await server.stop();
});

test('messages over one connection, with dots, UTF-8 and a long body', async () => {
  const transport = client();
  const text = `${'.\r\n..\r\n.dot\r\n'.repeat(200)}${'grüße '.repeat(2000)}`;
  for (const to of ['one@example.com', 'two@example.com', 'jörg@example.com']) {
    const sent = await transport.sendMail({
      from: 'sender@example.org',
      to,
      subject: 'interop',
      text,
      textEncoding: 'quoted-printable',
    });
    expect(sent.response).toMatch(/^250 OK ids=/);
  }
  transport.close();
  expect(kit.received.map(({ recipients }) => recipients.join())).toEqual([
    'one@example.com',
    'two@example.com',
    'jörg@example.com',
  ]);
  expect(new Set(kit.received.map(({ sessionId }) => sessionId)).size).toBe(1);
  expect(kit.received[2]?.smtpUtf8).toBe(true);
  for (const { body } of kit.received) {
    const decoded = Buffer.from(
      body
        .toString('latin1')
        .replace(/=\r\n/g, '')
        .replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      'latin1',
    ).toString();
    expect(decoded).toContain(text);
  }
});

test('a message that is too big is refused, and the client can tell', async () => {
  const transport = client();
  const attempt = transport.sendMail({
    from: 'a@example.org',
    to: 'b@example.com',
    text: 'x'.repeat(200_000),
  });
  await expect(attempt).rejects.toMatchObject({ responseCode: 552 });
  transport.close();
});
