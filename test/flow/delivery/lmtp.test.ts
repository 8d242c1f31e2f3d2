import { describe, expect, test } from 'vitest';
import type { AttemptResult } from '../../../src/flow/delivery/index.ts';
import { formatReplyLine } from '../../../src/protocol/smtp/index.ts';
import { type Answers, accepting, connected, converse, except, message } from './scripted-server.ts';

const path = { use_lmtp: true } as const;

/** Answers the dot for each recipient that was taken, by its address. */
function lmtp(verdict: (recipient: string) => string, ...offers: string[]): Answers {
  const base = accepting(...offers);
  let taken: string[] = [];
  return (command) => {
    if (command.startsWith('MAIL')) taken = [];
    if (command.startsWith('RCPT')) {
      const recipient = /<(.*)>/.exec(command)![1]!;
      if (recipient.startsWith('bad')) return '550 5.1.1 unknown';
      taken.push(recipient);
    }
    return command === '.' ? taken.map(verdict).join('\n') : base(command);
  };
}

function verdicts(result: AttemptResult): string[] {
  return result.outcomes
    .toSorted((a, b) => a.recipient - b.recipient)
    .map(({ recipient, outcome }) => `${recipient} ${outcome.kind} ${formatReplyLine(outcome.reply)}`);
}

const byName = (recipient: string): string => {
  if (recipient.startsWith('full')) return '452 4.2.2 full';
  return recipient.startsWith('gone') ? '550 5.2.1 gone' : `250 2.0.0 ${recipient} kept`;
};
const recipients = ['a@x.org', 'bad@x.org', 'full@x.org', 'gone@x.org', 'b@x.org'];

describe.each([[['PIPELINING']], [[]]])('offering %j', (offers) => {
  test('every recipient has a reply of its own', async () => {
    const { session, server } = await connected({ path, answers: lmtp(byName, ...offers) });
    const result = await session.attempt(message(recipients));
    expect(server.commands[0]).toBe('LHLO client.example');
    expect(verdicts(result)).toEqual([
      '0 delivered 250 2.0.0 a@x.org kept',
      '1 permanent 550 5.1.1 unknown',
      '2 transient 452 4.2.2 full',
      '3 permanent 550 5.2.1 gone',
      '4 delivered 250 2.0.0 b@x.org kept',
    ]);
    expect(result.connection).toBe('open');
    expect(verdicts(await session.attempt(message(['c@x.org'])))).toEqual([
      '0 delivered 250 2.0.0 c@x.org kept',
    ]);
  });

  test('recipients without a reply when the connection ends stay', async () => {
    const answers = lmtp(byName, ...offers);
    const { session, server } = await connected({
      path,
      answers: (command) => (command === '.' ? '250 2.0.0 first kept' : answers(command)),
    });
    const attempt = session.attempt(message(['a@x.org', 'b@x.org']));
    await until(() => server.commands.includes('.'));
    server.say('hangup');
    const result = await attempt;
    expect(verdicts(result)).toEqual([
      '0 delivered 250 2.0.0 first kept',
      expect.stringMatching(/^1 transient 400 KumoMTA internal: failed to send message: /),
    ]);
    expect(result.connection).toBe('gone');
  });
});

test('each reply to the dot has its time', async () => {
  const answers = lmtp(byName, 'PIPELINING');
  const { session, clock, server } = await connected({
    path: { ...path, data_timeout: 1000, data_dot_timeout: 5000 },
    answers: (command) => (command === '.' ? '250 kept' : answers(command)),
  });
  const attempt = session.attempt(message(['a@x.org', 'b@x.org']));
  await until(() => server.commands.includes('.'));
  await clock.advance(5000);
  expect(verdicts(await attempt)).toEqual([
    '0 delivered 250 kept',
    expect.stringMatching(/^1 transient 421 4.4.2 .*Timed Out waiting 5s for response to \.$/),
  ]);
});

test('DATA that is taken without a recipient ends the connection', async () => {
  const { session } = await connected({ path, answers: lmtp(byName, 'PIPELINING') });
  const result = await session.attempt(message(['bad@x.org']));
  expect(verdicts(result)).toEqual(['0 permanent 550 5.1.1 unknown']);
  expect(result.connection).toBe('gone');
});

test('DATA refused is the answer to all', async () => {
  const answers = except(lmtp(byName, 'PIPELINING'), { DATA: '451 4.3.0 later' });
  const { session } = await connected({ path, answers });
  expect(verdicts(await session.attempt(message(['a@x.org', 'b@x.org'])))).toEqual([
    '0 transient 451 4.3.0 later',
    '1 transient 451 4.3.0 later',
  ]);
});

test('batches are answered one after the other', async () => {
  const { session, server } = await connected({
    path: { ...path, max_recipients_per_batch: 2 },
    answers: lmtp(byName, 'PIPELINING'),
  });
  const result = await session.attempt(message(recipients));
  expect(verdicts(result).map((verdict) => verdict.slice(0, 11))).toEqual([
    '0 delivered',
    '1 permanent',
    '2 transient',
    '3 permanent',
    '4 delivered',
  ]);
  expect(server.bodies).toHaveLength(3);
});

test('there is no HELO in LMTP', async () => {
  const { connecting, servers } = converse({ path, answers: except(accepting(), { LHLO: '500 what?' }) });
  await expect(connecting).rejects.toMatchObject({
    kind: 'ehlo',
    text: expect.stringContaining('LHLO: 500 what?'),
  });
  expect(servers[0]!.commands).not.toContain('HELO client.example');
});

/** Lets what is under way in memory go on until the condition holds. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !condition(); turn++)
    await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
