import { expect, test } from 'vitest';
import {
  RedisAway,
  type RedisClient,
  RedisLink,
  RedisRefusal,
  type RedisReply,
  RedisScript,
} from '../../../src/io/redis/index.ts';
import { FakeClock, settle } from '../../kit/fake-clock.ts';

/** A server whose answers are made by hand. */
function fakeServer() {
  const clock = new FakeClock();
  const events: string[] = [];
  const state = {
    reachable: true,
    answer: (_: readonly string[]): Promise<RedisReply> => Promise.resolve('PONG'),
    lose: (_: Error): void => {},
  };
  const link = new RedisLink({
    async connect(onLost): Promise<RedisClient> {
      if (!state.reachable) throw new Error('refused');
      state.lose = onLost;
      return {
        send: (_, args) => state.answer(args as string[]),
        keepAlive: () => {},
        destroy: () => void events.push('destroyed'),
      };
    },
    clock,
    random: () => 0.5,
    responseTimeout: 1000,
    prepare: async (commands) => void (await commands.send(undefined, ['PING'])),
    onUp: () => void events.push('up'),
    onAway: (why) => void events.push(`away: ${why}`),
    onOperation: (operation, status) => void events.push(`${operation} ${status}`),
  });
  return { clock, events, state, link };
}

const never = (): Promise<RedisReply> => new Promise(() => {});

test('goes away with the first reply that is late, rejects everything at once, and comes back', async () => {
  const { clock, events, state, link } = fakeServer();
  await link.start();
  expect(await link.send('k', ['GET', 'k'])).toBe('PONG');
  state.answer = never;
  const late = [link.send('k', ['GET', 'k']), link.send('k', ['GET', 'k'])].map((reply) =>
    reply.catch((error: Error) => error),
  );
  await clock.advance(990);
  expect(link.isUp).toBe(true);
  await clock.advance(20);
  for (const reply of late) expect(await reply).toBeInstanceOf(RedisAway);
  expect(link.isUp).toBe(false);
  await expect(link.send('k', ['GET', 'k'])).rejects.toThrow('away');
  await clock.advance(10_000);
  expect(link.isUp).toBe(false);
  state.answer = () => Promise.resolve('PONG');
  await clock.advance(2500);
  expect(link.isUp).toBe(true);
  expect(events.filter((event) => /^(up|away)/.test(event))).toEqual([
    'up',
    'away: no reply within 1000 ms',
    'up',
  ]);
  link.close();
  expect(clock.pending).toBe(0);
});

test('a reply that is there when its time is looked at counts', async () => {
  const { clock, state, link } = fakeServer();
  await link.start();
  let give: (reply: RedisReply) => void = () => {};
  state.answer = () => new Promise((resolve) => (give = resolve));
  const reply = link.send('k', ['GET', 'k']);
  clock.after(1000, () => clock.after(0, () => give('in time')));
  await clock.advance(1500);
  expect(await reply).toBe('in time');
  expect(link.isUp).toBe(true);
});

test('says once that it is away at the start, and goes on trying', async () => {
  const { clock, events, state, link } = fakeServer();
  state.reachable = false;
  await link.start();
  await clock.advance(20_000);
  expect(events).toEqual(['away: refused']);
  state.reachable = true;
  await clock.advance(1500);
  expect(events).toEqual(['away: refused', 'up']);
});

test.each(['LOADING still reading', 'READONLY a replica', 'OOM no memory'])(
  'a server that says %s is away',
  async (why) => {
    const { clock, state, link } = fakeServer();
    await link.start();
    const refuse = (): Promise<RedisReply> => Promise.reject(new RedisRefusal(why));
    state.answer = refuse;
    await expect(link.send('k', ['GET', 'k'])).rejects.toBeInstanceOf(RedisAway);
    await clock.advance(5000);
    expect(link.isUp).toBe(false);
  },
);

test('a refusal of one command is an answer', async () => {
  const { events, state, link } = fakeServer();
  await link.start();
  state.answer = () => Promise.reject(new RedisRefusal('WRONGTYPE no number'));
  await expect(link.send('k', ['GET', 'k'])).rejects.toBeInstanceOf(RedisRefusal);
  expect(link.isUp).toBe(true);
  expect(events.at(-1)).toBe('GET error');
});

test('a lost connection is noticed without a command', async () => {
  const { events, state, link } = fakeServer();
  await link.start();
  state.lose(new Error('reset'));
  await settle();
  expect(events).toEqual(['up', 'destroyed', 'away: reset']);
});

test('a script is sent as text when the server does not know it', async () => {
  const { state, link } = fakeServer();
  await link.start();
  const sent: string[] = [];
  state.answer = async ([command, ...args]) => {
    sent.push(command!);
    if (command === 'EVALSHA') throw new RedisRefusal('NOSCRIPT none');
    return args[0]!;
  };
  expect(await link.run(new RedisScript('return 1'), 'k', [])).toBe('return 1');
  expect(sent).toEqual(['EVALSHA', 'EVAL']);
});
