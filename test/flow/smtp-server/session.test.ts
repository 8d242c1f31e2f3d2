import { describe, expect, test } from 'vitest';
import { ConnectionMeta, type Message, type PolicyResult } from '../../../src/model/index.ts';
import { type EnvelopeAddress, reply } from '../../../src/protocol/smtp/index.ts';
import { settle } from '../../kit/fake-clock.ts';
import { fails, rejects, returns, smtpSession } from '../../kit/smtp-session.ts';

/** A handler that waits until it is released. */
function gate(): { handler: () => Promise<undefined>; release: () => Promise<void> } {
  const waiting: (() => void)[] = [];
  return {
    handler: () => new Promise((resolve) => waiting.push(() => resolve(undefined))),
    release: async () => {
      waiting.shift()?.();
      await settle();
    },
  };
}

describe('transactions', () => {
  test('a second MAIL FROM is refused', async () => {
    const session = smtpSession();
    await session.expect('220');
    await session.ehlo();
    await session.mailFrom('a@example.org');
    await session.mailFrom('b@example.org', '503 5.5.0');
  });

  test('what reception gets', async () => {
    const session = smtpSession({ options: { meta: { tenant: 'blue' } } });
    await session.envelope();
    await session.data('Subject: x\r\n\r\n');
    const { body, meta, ...transaction } = session.received[0]!;
    expect(body.toString()).toBe('Subject: x\r\n\r\n');
    expect(meta.values).toEqual({
      tenant: 'blue',
      reception_protocol: 'ESMTP',
      received_from: '127.0.0.1:40001',
      received_via: '127.0.0.1:2525',
      hostname: 'mx.test',
      ehlo_domain: 'client.example',
    });
    expect(transaction).toMatchObject({
      hostname: 'mx.test',
      ehloDomain: 'client.example',
      sessionId: 'session1',
      smtpUtf8: false,
      peer: { address: '127.0.0.1', port: 40001 },
      deadline: session.test.clock.monotonic() + 300_000,
    });
    expect(transaction.message).toBeUndefined();
  });

  test('reception decides about reply and disconnect', async () => {
    const session = smtpSession({
      receive: () => Promise.resolve({ reply: reply(550, '5.7.1', 'no'), disconnect: 'ForceDisconnect' }),
    });
    await session.envelope();
    await session.data('x\r\n', '550 5.7.1 no');
    expect(session.closed).toBe(true);
    expect(session.test.rejections).toMatchObject([
      {
        reply: { code: 550, command: '.\r\n' },
        sender: 'sender@example.org',
        recipient: 'recipient@example.com',
        sessionId: 'session1',
      },
    ]);
  });

  test('no reply before reception has the message', async () => {
    let keep: () => void = () => {};
    const session = smtpSession({
      receive: () =>
        new Promise((resolve) => {
          keep = () => resolve({ reply: reply(250, '', 'OK ids=x'), disconnect: 'If421' });
        }),
    });
    await session.envelope();
    await session.command('DATA', '354');
    await session.send('x\r\n.\r\nNOOP\r\n');
    expect(session.line()).toBeUndefined();
    keep();
    await session.expect('250 OK ids=x');
    await session.expect('250 OK');
  });

  test('a rejection names the transaction that it is about, and no older one', async () => {
    const session = smtpSession();
    await session.envelope();
    await session.command('FOO', '502');
    await session.data('a\0\r\n', '552');
    const other = session.test.connect();
    await other.envelope();
    await other.data('x\r\n');
    await other.command('FOO', '502');
    const envelopes = session.test.rejections.map(({ sender, recipient }) => `${sender} ${recipient}`);
    expect(envelopes).toEqual([
      'sender@example.org recipient@example.com',
      'sender@example.org recipient@example.com',
      ' ',
    ]);
  });

  test('a bug answers 421 and is logged', async () => {
    const session = smtpSession({
      receive: () => {
        throw new Error('boom');
      },
    });
    await session.envelope();
    await session.data('x\r\n', '421 4.3.0 mx.test technical difficulties');
    expect(session.test.complaints[0]).toContain('boom');
    expect(session.closed).toBe(true);
  });
});

describe('policy', () => {
  test('sees each verb in order, with its arguments', async () => {
    const seen: unknown[] = [];
    const note = (...args: unknown[]): undefined => {
      seen.push(...args.map((arg) => (arg instanceof ConnectionMeta ? 'meta' : arg)));
    };
    const session = smtpSession({
      policy: {
        smtp_server_connection_accepted: note,
        smtp_server_ehlo: note,
        smtp_server_mail_from: note,
        smtp_server_rcpt_to: note,
      },
    });
    await session.envelope();
    const [accepted, domain, , extensions, sender, , recipient] = seen;
    expect([accepted, domain]).toEqual(['meta', 'client.example']);
    expect(extensions).toContain('PIPELINING');
    expect([sender, recipient].map(String)).toEqual(['sender@example.org', 'recipient@example.com']);
    expect(session.test.policy.fired).toEqual([
      'smtp_server_connection_accepted',
      'smtp_server_ehlo',
      'smtp_server_mail_from',
      'smtp_server_rcpt_to',
    ]);
  });

  test('ehlo_domain is set only after the handler has let it pass', async () => {
    const before: unknown[] = [];
    const session = smtpSession({
      policy: {
        smtp_server_ehlo: (domain, meta) => {
          before.push((meta as ConnectionMeta).get('ehlo_domain'));
          return domain === 'bad.example' ? rejects(550, 'no') : undefined;
        },
      },
    });
    await session.expect('220');
    await session.ehlo('one.example');
    await session.mailFrom('a@example.org');
    await session.ehlo('bad.example', '550 no');
    await session.rcptTo('b@example.com');
    expect(before).toEqual([undefined, 'one.example']);
    await session.data('x\r\n');
    expect(session.received[0]?.ehloDomain).toBe('one.example');
  });

  test('a list of extensions that is none is an error of the policy', async () => {
    const session = smtpSession({ policy: { smtp_server_ehlo: () => returns('PIPELINING') } });
    await session.expect('220');
    await session.ehlo('one.example', '421 4.3.0');
    expect(session.test.complaints).toHaveLength(1);
  });

  test('smtp_server_data changes the message that reception gets', async () => {
    const session = smtpSession({
      policy: {
        smtp_server_data: (...args) => {
          const message = args[0] as Message;
          message.setData(Buffer.from('changed\r\n'));
          message.meta.seen = true;
          message.recipients = message.recipients.slice(1);
          (args[1] as ConnectionMeta).set('late', true);
          return undefined;
        },
      },
    });
    await session.envelope();
    await session.rcptTo('other@example.com');
    await session.data('x\r\n');
    const transaction = session.received[0]!;
    expect(transaction.body.toString()).toBe('changed\r\n');
    expect(transaction.message?.meta).toMatchObject({ seen: true, ehlo_domain: 'client.example' });
    expect(transaction.message?.meta.late).toBeUndefined();
    expect(transaction.message?.recipients.map(String)).toEqual(['other@example.com']);
    expect(transaction.recipients).toHaveLength(2);
  });

  test('a data handler that waits too long is left behind', async () => {
    const { handler } = gate();
    const session = smtpSession({ policy: { smtp_server_data: handler } });
    await session.envelope();
    await session.command('DATA', '354');
    await session.send('x\r\n.\r\n');
    await session.advance(299_000);
    expect(session.line()).toBeUndefined();
    await session.advance(1000);
    await session.expect('451 4.4.5 data_processing_timeout exceeded (rx)');
    expect(session.received).toEqual([]);
    await session.mailFrom('a@example.org');
  });

  test('commands wait for a handler that waits, and their replies leave in one write', async () => {
    const { handler, release } = gate();
    const session = smtpSession({ policy: { smtp_server_rcpt_to: handler } });
    await session.expect('220');
    const writes = session.writes;
    await session.send('MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n');
    expect(session.line()).toBeUndefined();
    await session.advance(10 * 60_000);
    await release();
    await release();
    await session.expect('250 OK <a@x>');
    await session.expect('250 OK <b@x>');
    await session.expect('250 OK <c@x>');
    await session.expect('354');
    expect(session.writes).toBe(writes + 1);
  });

  test('a handler that ends after the peer has gone harms nobody', async () => {
    const { handler, release } = gate();
    const session = smtpSession({ policy: { smtp_server_mail_from: handler } });
    await session.expect('220');
    await session.send('MAIL FROM:<a@x>\r\n');
    session.transport.destroy();
    await settle();
    expect(session.test.server.connectionCount).toBe(0);
    await release();
    expect(session.test.complaints).toEqual([]);
    expect(session.test.clock.pending).toBe(0);
  });

  test('errors of smtp_server_rewrite_response leave the reply alone', async () => {
    for (const result of [fails, rejects(550, 'x')]) {
      const session = smtpSession({ policy: { smtp_server_rewrite_response: () => result } });
      await session.command('NOOP', '220 mx.test Moonpost');
      await session.expect('250 OK');
    }
  });

  test('smtp_server_rewrite_response is told the command of errors and the end of data', async () => {
    const seen: unknown[] = [];
    const session = smtpSession({
      policy: {
        smtp_server_rewrite_response: (...args) => {
          seen.push(args.slice(0, 3));
          return undefined;
        },
      },
    });
    await session.expect('220');
    await session.command('FOO bar', '502');
    await session.mailFrom('a@x');
    await session.rcptTo('b@x');
    await session.data('x\r\n');
    expect(seen[1]).toEqual([502, '5.5.1 Command unimplemented', 'FOO bar']);
    expect(seen.at(-1)).toEqual([250, 'OK ids=id1', 'DATA']);
  });

  test('a rewritten 354 means no message', async () => {
    const session = smtpSession({
      policy: { smtp_server_rewrite_response: (code): PolicyResult => returns(code === 354 ? 451 : null) },
    });
    await session.envelope();
    await session.command('DATA', '451');
    await session.command('DATA', '503 5.5.0 MAIL FROM');
  });
});

describe('bounds', () => {
  test('input waits in the network while a handler works', async () => {
    const { handler, release } = gate();
    const session = smtpSession({ policy: { smtp_server_mail_from: handler } });
    await session.expect('220');
    await session.send('MAIL FROM:<a@x>\r\n');
    const server = session.transport.peer!;
    await session.send('NOOP\r\n'.repeat(5000));
    expect(server.paused).toBe(false);
    await session.send('NOOP\r\n'.repeat(8000));
    expect(server.paused).toBe(true);
    await release();
    await session.advance(1000);
    expect(server.paused).toBe(false);
    let replies = 0;
    while (session.reply() !== undefined) replies += 1;
    expect(replies).toBe(13_001);
  });

  test('a session that closes reads on, into nothing', async () => {
    const waiting = Promise.withResolvers<PolicyResult>();
    const session = smtpSession({ policy: { smtp_server_mail_from: () => waiting.promise } });
    await session.expect('220');
    const server = session.transport.peer!;
    server.end = () => {};
    await session.send('MAIL FROM:<a@x>\r\n');
    await session.send('NOOP\r\n'.repeat(20_000));
    expect(server.paused).toBe(true);
    waiting.resolve(rejects(421, 'no'));
    await session.expect('421 no');
    expect(server.paused).toBe(false);
    expect(session.reply()).toBeUndefined();
  });

  test('many small chunks wait in the network too', async () => {
    const { handler } = gate();
    const session = smtpSession({ policy: { smtp_server_mail_from: handler } });
    await session.expect('220');
    await session.send('MAIL FROM:<a@x>\r\n');
    for (let count = 0; count < 100; count++) session.transport.write('N');
    await settle();
    expect(session.transport.peer!.paused).toBe(true);
  });

  test('a client that never reads is cut off', async () => {
    const session = smtpSession();
    await session.expect('220');
    session.transport.peer!.write = () => false;
    let batches = 0;
    for (; batches < 1000 && !session.closed; batches++) await session.send('NOOP\r\n'.repeat(90));
    // 90 replies of 8 octets each: 256 KB are 364 batches.
    expect(batches).toBe(365);
    expect(session.closed).toBe(true);
  });

  test('a peer that stays after the last reply is cut off', async () => {
    const session = smtpSession();
    await session.expect('220');
    const server = session.transport.peer!;
    let ended = false;
    server.end = () => {
      ended = true;
    };
    await session.command('QUIT', '221');
    expect([ended, session.closed]).toEqual([true, false]);
    await session.send('NOOP\r\n');
    expect(session.reply()).toBeUndefined();
    await session.advance(5000);
    expect(session.closed).toBe(true);
  });

  test('a chunk as long as it likes is thrown away as it comes', async () => {
    const session = smtpSession({ options: { max_message_size: 1000 } });
    await session.envelope();
    await session.send('BDAT 9007199254740991 LAST\r\n');
    for (let count = 0; count < 20; count++) await session.send(Buffer.alloc(60_000, 'x'));
    expect(session.reply()).toBeUndefined();
    await session.advance(60_000);
    await session.expect('421 4.3.2 mx.test idle too long');
  });
});

describe('relaying', () => {
  const domains: Record<string, object> = {};

  test('get_listener_domain is asked once per domain and session, sender first', async () => {
    const asked: unknown[] = [];
    const session = smtpSession({
      policy: {
        get_listener_domain: (domain, via) => {
          asked.push([domain, via]);
          return returns(domains[String(domain)] ?? null);
        },
      },
    });
    await session.envelope();
    await session.rcptTo('another@example.com');
    expect(asked).toEqual([
      ['example.org', '127.0.0.1:2525'],
      ['example.com', '127.0.0.1:2525'],
    ]);
  });

  test.each([fails, rejects(550, 'no'), returns({ relay_to: true })])('%j is an error', async (result) => {
    const session = smtpSession({ policy: { get_listener_domain: () => result } });
    await session.expect('220');
    await session.mailFrom('a@example.org');
    await session.rcptTo('b@example.com', '421 4.3.0 mx.test technical difficulties');
    expect(session.closed).toBe(true);
  });

  test('relay_to and relay_from open the door, each for its own', async () => {
    const { ListenerDomain } = await import('../../../src/model/options/index.ts');
    const domain = (options: object): PolicyResult =>
      returns(
        new ListenerDomain({
          relay_to: false,
          relay_from: [],
          log_oob: 'Ignore',
          log_arf: 'Ignore',
          ttl: 60_000,
          ...options,
        }),
      );
    const answers: Record<string, PolicyResult> = {
      'to.example': domain({ relay_to: true }),
      'from.example': domain({ relay_from: ['127.0.0.0/8'] }),
      'elsewhere.example': domain({ relay_from: ['10.0.0.0/8'] }),
      'reports.example': domain({ log_arf: 'LogThenDrop' }),
    };
    const session = smtpSession({
      relays: false,
      policy: { get_listener_domain: (name) => answers[String(name)] ?? returns(null) },
    });
    await session.expect('220');
    const attempt = async (sender: string, recipient: string): Promise<string> => {
      await session.command('RSET', '250');
      await session.mailFrom(sender);
      await session.send(`RCPT TO:<${recipient}>\r\n`);
      return session.reply()!.slice(0, 3);
    };
    expect(await attempt('a@x.example', 'b@to.example')).toBe('250');
    expect(await attempt('', 'b@to.example')).toBe('250');
    expect(await attempt('a@from.example', 'b@x.example')).toBe('250');
    expect(await attempt('a@elsewhere.example', 'b@x.example')).toBe('550');
    expect(await attempt('a@to.example', 'b@x.example')).toBe('550');
    expect(await attempt('a@x.example', 'b@from.example')).toBe('550');
    expect(await attempt('a@x.example', 'b@reports.example')).toBe('250');
    expect(await attempt('', 'postmaster')).toBe('550');
  });

  test('recipients that policy refuses count toward max_messages_per_connection', async () => {
    const session = smtpSession({
      options: { max_messages_per_connection: 2 },
      policy: {
        smtp_server_rcpt_to: (to) =>
          (to as EnvelopeAddress).user === 'bad' ? rejects(550, 'no') : undefined,
      },
    });
    await session.expect('220');
    await session.mailFrom('a@x');
    await session.rcptTo('bad@x', '550');
    await session.rcptTo('good@x', '250');
    await session.rcptTo('good@x', '452 4.5.3 too many recipients on this connection');
  });
});
