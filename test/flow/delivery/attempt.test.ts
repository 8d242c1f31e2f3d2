import { describe, expect, test } from 'vitest';
import type { AttemptResult } from '../../../src/flow/delivery/index.ts';
import { EnvelopeAddress, formatReplyLine } from '../../../src/protocol/smtp/index.ts';
import { accepting, address, connected, everything, except, message, settle } from './scripted-server.ts';

/** `delivered 250 2.0.0 text` by recipient. */
function verdicts(result: AttemptResult): string[] {
  return result.outcomes
    .toSorted((a, b) => a.recipient - b.recipient)
    .map(({ recipient, outcome }) => `${recipient} ${outcome.kind} ${formatReplyLine(outcome.reply)}`);
}

const commandsOf = (result: AttemptResult): (string | null)[] =>
  result.outcomes.toSorted((a, b) => a.recipient - b.recipient).map(({ outcome }) => outcome.reply.command);

describe('a transaction', () => {
  test('goes out in two writes when PIPELINING is offered', async () => {
    const { session, server } = await connected();
    const result = await session.attempt(message());
    expect(verdicts(result)).toEqual(['0 delivered 250 2.0.0 queued as 1']);
    expect(commandsOf(result)).toEqual(['.\r\n']);
    expect(server.writes[1]).toBe('MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n');
    expect(server.writes.slice(2).join('')).toBe('Subject: hi\r\n\r\nhello\r\n.\r\n');
    expect(result).toMatchObject({ connection: 'open', stale: false, failure: undefined });
    expect(result).toMatchObject({
      peer: { name: 'mx.example', addr: '192.0.2.1' },
      sourceAddress: { address: '127.0.0.1:40001' },
    });
  });

  test.each([
    ['not offered', { answers: accepting('8BITMIME') }],
    ['disabled', { path: { enable_pipelining: false } }],
  ])('goes out step by step when PIPELINING is %s', async (_, options) => {
    const { session, server } = await connected(options);
    expect(verdicts(await session.attempt(message()))).toEqual(['0 delivered 250 2.0.0 queued as 1']);
    expect(server.writes.slice(1, 4)).toEqual([
      'MAIL FROM:<a@example.org>\r\n',
      'RCPT TO:<b@example.org>\r\n',
      'DATA\r\n',
    ]);
  });

  test('says SIZE, BODY and SMTPUTF8 where they are offered and needed', async () => {
    const answers = accepting('PIPELINING', 'SIZE 1000', '8BITMIME', 'SMTPUTF8');
    const { session, server } = await connected({ answers });
    await session.attempt({ ...message(['jörg@example.org'], 'ä\r\n') });
    expect(server.commands[1]).toBe('MAIL FROM:<a@example.org> SIZE=4 BODY=8BITMIME SMTPUTF8');
    await session.attempt(message(['b@example.org'], 'a\r\n'));
    expect(server.commands).toContain('MAIL FROM:<a@example.org> SIZE=3');
  });

  test('begins with RSET from the second message on', async () => {
    const { session, server } = await connected();
    await session.attempt(message());
    await session.attempt(message());
    expect(server.commands.filter((command) => command === 'RSET')).toHaveLength(1);
    expect(server.commands.indexOf('RSET')).toBe(5);
  });

  test('with enable_rset off has RSET only after a failure', async () => {
    const { session, server } = await connected({ path: { enable_rset: false } });
    await session.attempt(message());
    server.answers = except(everything, { RCPT: '550 5.1.1 no' });
    await session.attempt(message());
    expect(server.commands).not.toContain('RSET');
    await session.attempt(message());
    expect(server.commands).toContain('RSET');
  });

  test('stuffs dots and mends line endings', async () => {
    const { session, server } = await connected();
    await session.attempt(message(['b@example.org'], '.a\r\n.\r\nb\n.\rc'));
    expect(server.bodies[0]!.toString()).toBe('..a\r\n..\r\nb\r\n..\r\nc\r\n');
    await session.attempt(message(['b@example.org'], ''));
    expect(server.bodies[1]!.toString()).toBe('');
  });
});

describe('replies', () => {
  test.each([
    ['MAIL', '450 4.1.8 later', 'transient', 'MAIL FROM:<a@example.org>\r\n'],
    ['MAIL', '550 5.7.1 no', 'permanent', 'MAIL FROM:<a@example.org>\r\n'],
    ['MAIL', '503 5.5.1 order', 'transient', 'MAIL FROM:<a@example.org>\r\n'],
    ['MAIL', '354 what', 'transient', 'MAIL FROM:<a@example.org>\r\n'],
    ['RCPT', '451 4.2.0 later', 'transient', 'RCPT TO:<b@example.org>\r\n'],
    ['RCPT', '550 5.1.1 unknown', 'permanent', 'RCPT TO:<b@example.org>\r\n'],
    ['RCPT', '552 5.2.2 full', 'permanent', 'RCPT TO:<b@example.org>\r\n'],
    ['RCPT', '552 full', 'transient', 'RCPT TO:<b@example.org>\r\n'],
    ['RCPT', '452 4.5.3 too many', 'transient', 'RCPT TO:<b@example.org>\r\n'],
    ['DATA', '451 4.3.0 later', 'transient', 'DATA\r\n'],
    ['DATA', '554 5.6.0 no', 'permanent', 'DATA\r\n'],
    ['.', '451 4.3.0 later', 'transient', '.\r\n'],
    ['.', '554 5.7.0 spam', 'permanent', '.\r\n'],
    ['.', '552 5.3.4 too big', 'permanent', '.\r\n'],
    ['.', '251 forwarded', 'delivered', '.\r\n'],
  ])('to %s: %s is %s', async (command, answer, kind, logged) => {
    for (const offers of [['PIPELINING'], []]) {
      const { session } = await connected({ answers: except(accepting(...offers), { [command]: answer }) });
      const result = await session.attempt(message());
      expect(verdicts(result)).toEqual([`0 ${kind} ${answer}`]);
      expect(commandsOf(result)).toEqual([logged]);
      expect(result.connection).toBe('open');
    }
  });

  test('are kept for each recipient', async () => {
    const answers = except(everything, {
      'RCPT TO:<bad@': '550 5.1.1 unknown',
      'RCPT TO:<busy@': '450 4.2.0 busy',
    });
    const { session, server } = await connected({ answers });
    const result = await session.attempt(message(['good@x.org', 'bad@x.org', 'busy@x.org']));
    expect(verdicts(result)).toEqual([
      '0 delivered 250 2.0.0 queued as 1',
      '1 permanent 550 5.1.1 unknown',
      '2 transient 450 4.2.0 busy',
    ]);
    expect(server.bodies).toHaveLength(1);
  });

  test('354 although every RCPT was refused: a lone dot, whose reply counts for nothing', async () => {
    const { session, server } = await connected({ answers: except(everything, { RCPT: '550 5.1.1 no' }) });
    const result = await session.attempt(message());
    expect(verdicts(result)).toEqual(['0 permanent 550 5.1.1 no']);
    expect(server.bodies.map(String)).toEqual(['']);
    server.answers = everything;
    expect(verdicts(await session.attempt(message()))).toEqual(['0 delivered 250 2.0.0 queued as 1']);
  });

  test('250 to DATA is neither yes nor no: not delivered, connection given up', async () => {
    const { session } = await connected({ answers: except(everything, { DATA: '250 ok' }) });
    const result = await session.attempt(message());
    expect(verdicts(result)).toEqual([
      '0 transient 400 KumoMTA internal: failed to send message: unexpected reply 250 to DATA',
    ]);
    expect(result).toMatchObject({ connection: 'gone', failure: 'transport' });
  });

  test('421 settles the message and ends the connection', async () => {
    const { session, server } = await connected({
      answers: except(everything, { '.': '421 4.3.2 closing' }),
    });
    const result = await session.attempt(message());
    expect(verdicts(result)).toEqual(['0 transient 421 4.3.2 closing']);
    expect(result).toMatchObject({ connection: 'gone', failure: 'reply421' });
    await settle();
    expect(server.commands.at(-1)).toBe('QUIT');
  });
});

describe('recipients', () => {
  const five = ['1@x.org', '2@x.org', '3@x.org', '4@x.org', '5@x.org'];

  test('go out in batches', async () => {
    const { session, server } = await connected({ path: { max_recipients_per_batch: 2 } });
    const result = await session.attempt(message(five));
    expect(verdicts(result)).toHaveLength(5);
    expect(server.bodies).toHaveLength(3);
    expect(server.commands.filter((command) => command === 'RSET')).toHaveLength(2);
  });

  test('that are one too many (4.5.3) follow at once', async () => {
    let count = 0;
    const { session, server } = await connected({
      answers: (command) => {
        if (command.startsWith('MAIL')) count = 0;
        if (command.startsWith('RCPT') && ++count > 2) return '452 4.5.3 too many recipients';
        return everything(command);
      },
    });
    const result = await session.attempt(message(five));
    expect(result.outcomes.map(({ outcome }) => outcome.kind)).toEqual(new Array(5).fill('delivered'));
    expect(server.bodies).toHaveLength(3);
  });

  test('with a bare 452 get one more try', async () => {
    const { session, server } = await connected({
      answers: except(everything, { 'RCPT TO:<2@': '452 sorry' }),
    });
    const result = await session.attempt(message(['1@x.org', '2@x.org']));
    expect(verdicts(result)).toEqual(['0 delivered 250 2.0.0 queued as 1', '1 transient 452 sorry']);
    expect(server.commands.filter((command) => command.startsWith('RCPT TO:<2@'))).toHaveLength(2);
  });

  test('not yet sent when the connection breaks are transient too', async () => {
    const { session } = await connected({
      path: { max_recipients_per_batch: 2 },
      answers: except(everything, { 'RCPT TO:<4@': 'hangup' }),
    });
    const result = await session.attempt(message(five));
    expect(result.outcomes.map(({ outcome }) => outcome.kind)).toEqual([
      'delivered',
      'delivered',
      'transient',
      'transient',
      'transient',
    ]);
    expect(verdicts(result)[4]).toContain('400 KumoMTA internal: failed to send message: the peer closed');
    expect(result).toMatchObject({ connection: 'gone', stale: false, failure: 'transport' });
  });
});

describe('what the server cannot take', () => {
  test('8-bit body without 8BITMIME: local 554 5.6.3', async () => {
    const { session, server } = await connected({ answers: accepting('PIPELINING') });
    const result = await session.attempt(message(['b@example.org'], 'ä\r\n'));
    expect(verdicts(result)[0]).toMatch(
      /^0 permanent 554 5\.6\.3 KumoMTA internal: DATA is 8bit, destination does not support 8BITMIME\. /,
    );
    expect(server.commands).toHaveLength(1);
    expect(result.connection).toBe('open');
  });

  test('8-bit envelope without SMTPUTF8: local 554 5.6.7, for those recipients', async () => {
    const { session } = await connected({ answers: accepting('PIPELINING') });
    const result = await session.attempt(message(['jörg@example.org', 'b@example.org']));
    expect(verdicts(result)).toEqual([
      '0 permanent 554 5.6.7 KumoMTA internal: envelope is 8bit, destination does not support SMTPUTF8.',
      '1 delivered 250 2.0.0 queued as 1',
    ]);
  });

  test('ignore_8bit_checks sends it all the same', async () => {
    const { session } = await connected({ answers: accepting(), path: { ignore_8bit_checks: true } });
    const result = await session.attempt(message(['jörg@example.org'], 'ä\r\n'));
    expect(verdicts(result)).toEqual(['0 delivered 250 2.0.0 queued as 1']);
  });

  test.each(['b\r\nDATA', 'b\0', 'b\x7f', 'b> SIZE=1', 'b c'])(
    'address %j never gets on the wire',
    async (local) => {
      const { session, server } = await connected();
      // Past the parser, as damaged memory or a defect of ours would have it.
      const forged = Object.assign(Object.create(EnvelopeAddress.prototype), {
        localPart: local,
        domain: 'x.org',
      });
      const asRecipient = await session.attempt({ ...message(), recipients: [forged, address('c@x.org')] });
      expect(asRecipient.outcomes.map(({ outcome }) => outcome.kind).sort()).toEqual([
        'delivered',
        'permanent',
      ]);
      const asSender = await session.attempt({ ...message(), sender: forged });
      expect(verdicts(asSender)[0]).toContain('0 permanent 553 5.1.7');
      expect(server.commands.filter((command) => command.startsWith('MAIL'))).toHaveLength(1);
      expect(server.commands.filter((command) => command.startsWith('RCPT'))).toEqual(['RCPT TO:<c@x.org>']);
    },
  );

  test('quoted local parts may have blanks and brackets', async () => {
    const { session, server } = await connected();
    await session.attempt(message(['"b> c"@x.org']));
    expect(server.commands).toContain('RCPT TO:<"b> c"@x.org>');
  });
});

describe('time and broken connections', () => {
  test.each([
    ['MAIL', 'MAIL FROM:<a@example.org>', 300_000, '300s'],
    ['RCPT', 'RCPT TO:<b@example.org>', 300_000, '300s'],
    ['DATA', 'DATA', 300_000, '300s'],
    ['.', '.', 600_000, '600s'],
  ])('no reply to %s', async (command, named, wait, shown) => {
    const { session, clock } = await connected({ answers: except(everything, { [command]: 'silence' }) });
    const attempt = session.attempt(message());
    await clock.advance(wait - 1);
    expect(session.usable).toBe(true);
    await clock.advance(1);
    const result = await attempt;
    expect(verdicts(result)).toEqual([
      '0 transient 421 4.4.2 KumoMTA internal: failed to send message to mx.example/192.0.2.1:25: ' +
        `Timed Out waiting ${shown} for response to ${named}`,
    ]);
    expect(result).toMatchObject({ connection: 'gone', failure: 'timeout', stale: false });
    expect(clock.pending).toBe(0);
  });

  test.each([
    ['RSET', 10],
    ['MAIL', 11],
    ['RCPT', 12],
    ['DATA', 13],
    // The body has its time too: that of DATA.
    ['.', 13 + 14],
  ])('%s has a time-out of its own: %i s', async (command, wait) => {
    for (const offers of [['PIPELINING'], []]) {
      const answers = accepting(...offers);
      const { session, server, clock } = await connected({
        answers,
        path: {
          rset_timeout: 10_000,
          mail_from_timeout: 11_000,
          rcpt_to_timeout: 12_000,
          data_timeout: 13_000,
          data_dot_timeout: 14_000,
        },
      });
      // RSET comes before the second message.
      await session.attempt(message());
      server.answers = except(answers, { [command]: 'silence' });
      const attempt = session.attempt(message());
      await clock.advance(wait * 1000 - 1);
      expect(session.usable).toBe(true);
      await clock.advance(1);
      expect(session.usable).toBe(false);
      // A connection that says nothing from RSET on is none that the message was given to.
      expect(await attempt).toMatchObject({ failure: 'timeout', stale: command === 'RSET' });
    }
  });

  test('a reply that drips does not move its deadline', async () => {
    const { session, clock, server } = await connected({ answers: except(everything, { MAIL: 'silence' }) });
    const attempt = session.attempt(message());
    for (let waited = 0; waited < 270_000; waited += 90_000) {
      server.say('250-still here');
      await clock.advance(90_000);
    }
    await clock.advance(29_999);
    expect(session.usable).toBe(true);
    await clock.advance(1);
    expect((await attempt).failure).toBe('timeout');
  });

  test('garbage instead of a reply', async () => {
    const { session, server } = await connected({
      answers: except(everything, { MAIL: 'HTTP/1.1 400 Bad' }),
    });
    const result = await session.attempt(message());
    expect(verdicts(result)[0]).toContain('400 KumoMTA internal: failed to send message: not an SMTP reply');
    expect(session.usable).toBe(false);
    await settle();
    expect(server.closed).toBe(true);
  });

  test('what was refused before the break keeps its reply', async () => {
    const answers = except(everything, { 'RCPT TO:<bad': '550 5.1.1 unknown', DATA: 'hangup' });
    const { session } = await connected({ answers });
    const result = await session.attempt(message(['bad@x.org', 'good@x.org']));
    expect(verdicts(result)).toEqual([
      '0 permanent 550 5.1.1 unknown',
      '1 transient 400 KumoMTA internal: failed to send message: the peer closed the connection',
    ]);
  });

  test('an unsolicited 421 on an idle session makes it unusable before a message is charged', async () => {
    const { session, server } = await connected();
    let told = 0;
    session.onGone = () => told++;
    await session.attempt(message());
    server.say('421 4.4.2 idle too long');
    await settle();
    expect(session.usable).toBe(false);
    expect(session.farewell).toMatchObject({ code: 421, content: 'idle too long', command: null });
    expect(told).toBe(1);
  });

  test('end of stream on an idle session makes it unusable', async () => {
    const { session, server } = await connected();
    server.say('hangup');
    await settle();
    expect(session.usable).toBe(false);
    expect(session.farewell).toBeUndefined();
  });

  test.each(['hangup', '421 4.4.2 bye'])(
    'a kept connection that answers RSET with %s is stale',
    async (answer) => {
      const { session, server } = await connected();
      await session.attempt(message());
      server.answers = (command) => {
        if (command === 'RSET') queueMicrotask(() => server.say('hangup'));
        return command === 'RSET' ? answer : 'silence';
      };
      const result = await session.attempt(message());
      expect(result).toMatchObject({ stale: true, connection: 'gone' });
      // A caller that does not look at `stale` still has an outcome to go by.
      expect(result.outcomes.map(({ outcome }) => outcome.kind)).toEqual(['transient']);
    },
  );

  test('quit waits for the answer, but not for long', async () => {
    const { session, clock, server } = await connected({ answers: except(everything, { QUIT: 'silence' }) });
    const leaving = session.quit();
    await clock.advance(2000);
    await leaving;
    expect(server.commands.at(-1)).toBe('QUIT');
    expect(session.usable).toBe(false);
  });
});

describe('smtp_client_rewrite_delivery_status', () => {
  test('sees one line, and its code counts', async () => {
    const lines: string[] = [];
    const { session } = await connected({
      answers: except(everything, { RCPT: '550-5.1.1 no\n550 5.1.1 such user' }),
    });
    const result = await session.attempt({
      ...message(),
      rewriteStatus: (line) => {
        lines.push(line);
        return Promise.resolve(450);
      },
    });
    expect(lines).toEqual(['550 5.1.1 no\\r\\nsuch user']);
    expect(verdicts(result)).toEqual([
      '0 transient 450 5.1.1 no such user (kumomta: status was rewritten from 550 -> 450)',
    ]);
  });

  test('is not asked about 250, nor about what was made here', async () => {
    const rewriteStatus = () => {
      throw new Error('asked');
    };
    const { session, server } = await connected();
    expect(verdicts(await session.attempt({ ...message(), rewriteStatus }))[0]).toContain('delivered');
    server.answers = except(everything, { MAIL: 'hangup', RSET: '250 ok' });
    expect(verdicts(await session.attempt({ ...message(), rewriteStatus }))[0]).toContain('0 transient 400');
  });

  test.each([undefined, 451])('answering %s changes nothing', async (code) => {
    const { session } = await connected({ answers: except(everything, { '.': '451 4.0.0 later' }) });
    const result = await session.attempt({ ...message(), rewriteStatus: () => code });
    expect(verdicts(result)).toEqual(['0 transient 451 4.0.0 later']);
  });

  test('can make a bare 552 to RCPT final', async () => {
    const { session } = await connected({ answers: except(everything, { RCPT: '552 full' }) });
    const result = await session.attempt({ ...message(), rewriteStatus: () => 550 });
    expect(result.outcomes[0]!.outcome.kind).toBe('permanent');
  });
});
