import fc from 'fast-check';
import { expect, test } from 'vitest';
import { settle } from '../kit/fake-clock.ts';
import { rejects, smtpSession } from '../kit/smtp-session.ts';

/** Pieces of sessions, whole and broken, in an order that no client would choose. */
const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n', 'DATA\r\n', '.\r\n', '\r\n.\r\n'),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom('RSET\r\n', 'EHLO c.example\r\n', 'NOOP\r\n', 'RCPT TO:<no@x>\r\n'),
  },
  { weight: 3, arbitrary: fc.nat(12).map((size) => `BDAT ${size}\r\n`) },
  { weight: 2, arbitrary: fc.nat(12).map((size) => `BDAT ${size} LAST\r\n`) },
  { weight: 2, arbitrary: fc.constantFrom('..dots\r\n', 'text\r\n', 'abc', '\r', '\n', '\0', '\xff') },
  { weight: 1, arbitrary: fc.constantFrom('QUIT\r\n', 'BDAT -1\r\n', 'MAIL FROM:<', 'x'.repeat(120)) },
);
const script = fc.array(piece, { maxLength: 25 }).map((pieces) => Buffer.from(pieces.join(''), 'latin1'));

interface Course {
  said: string;
  closed: boolean;
  messages: string[];
  rejections: string[];
}

async function run(octets: Buffer, cuts: number[], waits: boolean): Promise<Course> {
  const refuse = (to: unknown) => (String(to) === 'no@x' ? rejects(550, '5.1.1 no') : undefined);
  const session = smtpSession({
    options: { max_message_size: 30, line_length_hard_limit: 100, invalid_line_endings: 'Fix' },
    policy: { smtp_server_rcpt_to: waits ? (to) => Promise.resolve(refuse(to)) : refuse },
  });
  const edges = [0, ...cuts.map((cut) => Math.min(cut, octets.length)).sort((a, b) => a - b), octets.length];
  for (let index = 1; index < edges.length; index++) {
    session.transport.write(octets.subarray(edges[index - 1], edges[index]));
  }
  await settle();
  await settle();
  let said = '';
  for (let line = session.line(); line !== undefined; line = session.line()) said += `${line}\n`;
  return {
    said,
    closed: session.closed,
    messages: session.received.map(
      ({ sender, recipients, body }) => `${sender} ${recipients} ${body.toString('latin1')}`,
    ),
    rejections: session.test.rejections.map((record) =>
      JSON.stringify([record.reply, record.sender, record.recipient]),
    ),
  };
}

test('what a session comes to does not depend on how its octets arrive, or on handlers that wait', async () => {
  await fc.assert(
    fc.asyncProperty(script, fc.array(fc.nat(400), { maxLength: 20 }), async (octets, cuts) => {
      const whole = await run(octets, [], false);
      expect(await run(octets, cuts, false)).toEqual(whole);
      expect(await run(octets, cuts, true)).toEqual(whole);
      for (const line of whole.said.trimEnd().split('\n')) expect(line).toMatch(/^[2-5]\d\d[ -][^\r\n\0]*$/);
    }),
    { numRuns: 300 },
  );
});
