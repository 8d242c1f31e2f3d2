import { expect, test } from 'vitest';
import type { MaybePromise, Message, PolicyConnection, PolicyResult } from '../../../src/model/index.ts';
import { settle } from '../../kit/fake-clock.ts';
import {
  type Handler,
  mailRooms,
  pathConfig,
  queueConfig,
  type Rooms,
  returns,
  TablePolicy,
} from '../../kit/mail-rooms.ts';

type Send = (messages: Message[], connection: TestConnection) => MaybePromise<PolicyResult>;

/** A connection object that is a function of the test. */
class TestConnection implements PolicyConnection {
  readonly event: string;
  readonly calls: string[] = [];
  opened: readonly unknown[] | undefined;
  isToClose = false;
  readonly toClose = new Set<() => void>();
  released = false;
  readonly #policy: LuaPolicy;
  #abandon: (result: PolicyResult) => void = () => {};

  constructor(event: string, policy: LuaPolicy) {
    this.event = event;
    this.#policy = policy;
  }

  onToClose(callback: () => void): () => void {
    this.toClose.add(callback);
    return () => this.toClose.delete(callback);
  }

  open(args: readonly unknown[]): MaybePromise<PolicyResult> {
    this.opened = args;
    return this.#policy.open(this);
  }

  call(method: string, args: readonly unknown[]): MaybePromise<PolicyResult> {
    this.calls.push(method);
    if (method === 'close') return { kind: 'absent' };
    const messages = method === 'send' ? (args as Message[]) : (args[0] as Message[]);
    const result = this.#policy.send(messages, this);
    if (!(result instanceof Promise)) return result;
    return Promise.race([
      result,
      new Promise<PolicyResult>((resolve) => {
        this.#abandon = resolve;
      }),
    ]);
  }

  abandon(message: string): void {
    this.#abandon({ kind: 'error', message });
  }

  release(): void {
    this.released = true;
  }
}

class LuaPolicy extends TablePolicy {
  readonly connections: TestConnection[] = [];
  readonly sent: Message[][] = [];
  readonly #send: Send;
  open: (connection: TestConnection) => MaybePromise<PolicyResult> = () => returns();

  constructor(send: Send, handlers: Record<string, Handler>) {
    super(handlers);
    this.#send = send;
  }

  send(messages: Message[], connection: TestConnection): MaybePromise<PolicyResult> {
    this.sent.push(messages);
    return this.#send(messages, connection);
  }

  connection(event: string): PolicyConnection {
    const made = new TestConnection(event, this);
    this.connections.push(made);
    return made;
  }

  get released(): number {
    return this.connections.filter(({ released }) => released).length;
  }
}

interface LuaRooms extends Rooms {
  lua: LuaPolicy;
}

function luaRooms(send: Send, custom: object = {}, path: object = {}, queue: object = {}): LuaRooms {
  const lua = new LuaPolicy(send, {
    get_queue_config: () =>
      queueConfig({ protocol: { custom_lua: { constructor: 'make.it', ...custom } }, ...queue }),
    get_egress_path_config: () => pathConfig({ connection_limit: 1, ...path }),
  });
  return Object.assign(mailRooms(lua), { lua });
}

const to = (...names: string[]): string[] => names.map((name) => `${name}@hook.example`);
const ok: Send = () => returns('taken');

async function receive(rooms: LuaRooms, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await rooms.receive(to(`r${n}`));
  await settle();
}

test('a message goes to send of the object that the constructor made; the record tells it', async () => {
  const rooms = luaRooms(ok);
  await rooms.receive(to('a'));
  await settle();
  expect(rooms.records()).toEqual(['Reception 250', 'Delivery 200']);
  expect(rooms.events[1]).toMatchObject({
    site: 'unspecified->hook.example@lua:make.it',
    peer: { name: 'Lua via make.it', addr: '0.0.0.0' },
    deliveryProtocol: 'Lua',
    recipients: to('a'),
    response: { code: 200, content: 'taken' },
  });
  const [connection] = rooms.lua.connections;
  expect(connection!.event).toBe('make.it');
  expect(connection!.opened).toEqual(['hook.example', undefined, undefined]);
  expect(rooms.spool.content.size).toBe(0);
  await rooms.clock.advance(5000);
  expect(connection!.calls).toEqual(['send', 'close']);
  expect(connection!.released).toBe(true);
});

test('an idle connection takes the next message; max_deliveries_per_connection ends it', async () => {
  const rooms = luaRooms(ok, {}, { max_deliveries_per_connection: 2 });
  for (let n = 0; n < 3; n++) {
    await receive(rooms, 1);
    await rooms.clock.advance(1000);
  }
  expect(rooms.lua.connections.map(({ calls }) => calls)).toEqual([['send', 'send', 'close'], ['send']]);
});

test.each([
  [
    'a 4xx',
    { kind: 'reject', code: 451, text: '4.7.1 later', disconnect: 'If421' },
    'TransientFailure 451',
    1,
  ],
  ['a 421', { kind: 'reject', code: 421, text: '4.7.0 go', disconnect: 'If421' }, 'TransientFailure 421', 2],
  ['a 5xx', { kind: 'reject', code: 550, text: '5.1.1 no', disconnect: 'If421' }, 'Bounce 550', 1],
  ['an error', { kind: 'error', message: 'policy.lua:3: broken' }, 'TransientFailure 400', 2],
  ['no string', { kind: 'values', values: [] }, 'TransientFailure 400', 2],
] as const)(
  '%s: the record, and whether the connection goes on',
  async (_name, result, record, connections) => {
    const rooms = luaRooms((messages) =>
      messages[0]!.recipients[0]!.localPart === 'r0' ? (result as PolicyResult) : returns('fine'),
    );
    await receive(rooms, 2);
    await rooms.clock.advance(1);
    expect(rooms.records().filter((text) => !text.startsWith('Reception'))).toEqual([record, 'Delivery 200']);
    expect(rooms.lua.connections).toHaveLength(connections);
  },
);

test('an error is told with the words that other tools match', async () => {
  const rooms = luaRooms(() => ({ kind: 'error', message: 'policy.lua:3: broken' }));
  await receive(rooms, 1);
  const failure = rooms.events.find(({ type }) => type === 'TransientFailure')!;
  expect(failure.response.content).toBe('KumoMTA internal: error in deliver_message: policy.lua:3: broken');
  expect(rooms.spool.content.size).toBe(1);
  // The attempt counts: the next comes after retry_interval.
  await rooms.clock.advance(21 * 60_000);
  expect(rooms.records().filter((text) => text.startsWith('TransientFailure'))).toHaveLength(2);
  expect(rooms.events.at(-1)!.attempts).toBe(1);
});

test('after errors in a row what waits is not tried at once, and all of it is when somebody answers', async () => {
  let isAway = true;
  const rooms = luaRooms(() => (isAway ? { kind: 'error', message: 'nobody there' } : returns('taken')));
  await receive(rooms, 20);
  await rooms.clock.advance(1);
  expect(rooms.lua.sent).toHaveLength(3);
  const [queue] = [...rooms.ready.live()];
  expect(queue!.states.connection_limited?.context).toBe('send of make.it failed 3 times in a row');
  await rooms.clock.advance(250);
  expect(rooms.lua.sent).toHaveLength(4);
  await rooms.clock.advance(500);
  expect(rooms.lua.sent).toHaveLength(5);
  isAway = false;
  await rooms.clock.advance(10_000);
  const records = rooms.records();
  expect(records.filter((text) => text === 'TransientFailure 400')).toHaveLength(5);
  expect(records.filter((text) => text === 'Delivery 200')).toHaveLength(15);
});

test('an hour of errors: the wait for the next try is never longer than ten seconds', async () => {
  const rooms = luaRooms(() => ({ kind: 'error', message: 'nobody there' }));
  await receive(rooms, 20);
  await rooms.clock.advance(3_600_000);
  const before = rooms.lua.sent.length;
  await rooms.clock.advance(10_001);
  expect(rooms.lua.sent.length).toBeGreaterThan(before);
  // 20 messages, retried for an hour, were 20 x 6 calls at least without the wait.
  expect(before).toBeLessThan(3600 / 10 + 60);
});

test('an answer between two errors: nobody waits', async () => {
  let count = 0;
  const rooms = luaRooms(() =>
    ++count % 3 === 0 ? returns('taken') : { kind: 'error', message: 'a broken message' },
  );
  await receive(rooms, 30);
  await rooms.clock.advance(1);
  expect(rooms.lua.sent).toHaveLength(30);
});

test('a constructor that fails: a counted attempt, no send, and the whole queue is delayed in the end', async () => {
  const rooms = luaRooms(ok, {}, { consecutive_connection_failures_before_delay: 1 });
  let allHere = (): void => {};
  const gate = new Promise<void>((resolve) => {
    allHere = resolve;
  });
  rooms.lua.open = async () => {
    await gate;
    return { kind: 'error', message: 'policy.lua:9: no door' };
  };
  await receive(rooms, 6);
  allHere();
  await rooms.clock.advance(10);
  const failures = rooms.events.filter(({ type }) => type === 'TransientFailure');
  expect(failures).toHaveLength(6);
  expect(failures[0]!.response).toMatchObject({
    code: 400,
    content: 'KumoMTA internal: failed to connect to any candidate hosts: make.it: policy.lua:9: no door',
  });
  expect(failures.at(-1)!.response).toMatchObject({ code: 451 });
  expect(failures.every(({ deliveryProtocol }) => deliveryProtocol === 'Lua')).toBe(true);
  expect(rooms.lua.sent).toEqual([]);
  expect(rooms.lua.connections.length).toBeLessThan(6);
  expect(rooms.lua.released).toBe(rooms.lua.connections.length);
});

test('send_batch gets up to batch_size messages; one answer is for all of them', async () => {
  const rooms = luaRooms(ok, { batch_size: 4, min_batch_size: 4, max_batch_latency: '2s' });
  await receive(rooms, 6);
  expect(rooms.lua.sent.map((batch) => batch.length)).toEqual([4]);
  expect(rooms.lua.connections[0]!.calls).toEqual(['send_batch']);
  // The rest waits for min_batch_size, and then goes anyway.
  await rooms.clock.advance(1900);
  expect(rooms.lua.sent.map((batch) => batch.length)).toEqual([4]);
  await rooms.clock.advance(200);
  expect(rooms.lua.sent.map((batch) => batch.length)).toEqual([4, 2]);
  expect(rooms.records().filter((text) => text === 'Delivery 200')).toHaveLength(6);
  expect(rooms.spool.content.size).toBe(0);
});

test('a suspension ends the wait for a larger batch; what is in hand goes, what waits does not', async () => {
  const rooms = luaRooms(ok, { batch_size: 10, min_batch_size: 10, max_batch_latency: '60s' });
  await receive(rooms, 1);
  expect(rooms.lua.sent).toEqual([]);
  const expires = rooms.clock.now() + 600_000;
  const selector = { queue_names: ['unspecified->hook.example@lua:make.it'] };
  const rule = { id: 'x', reason: 'maintenance', expires, selector, suppressLogging: false };
  rooms.admin.apply({ action: 'put', kind: 'suspend-ready-q', rule, sweep: false });
  for (const queue of rooms.ready.live()) queue.suspended();
  await settle();
  expect(rooms.lua.sent.map((batch) => batch.length)).toEqual([1]);
  expect(rooms.lua.released).toBe(1);
  await receive(rooms, 1);
  await rooms.clock.advance(1000);
  expect(rooms.lua.sent).toHaveLength(1);
  expect(rooms.spool.content.size).toBe(1);
});

test('a batch that is refused keeps every message', async () => {
  const rooms = luaRooms(() => ({ kind: 'reject', code: 450, text: 'no', disconnect: 'If421' }), {
    batch_size: 10,
  });
  await receive(rooms, 5);
  await rooms.clock.advance(1);
  expect(rooms.records().filter((text) => text === 'TransientFailure 450')).toHaveLength(5);
  expect(rooms.spool.content.size).toBe(5);
});

test('connection_limit holds; a handler that never answers stops its own connection alone', async () => {
  const rooms = luaRooms(
    ([message]) => (message!.recipients[0]!.localPart === 'r0' ? new Promise(() => {}) : returns('fine')),
    {},
    { connection_limit: 8 },
  );
  await receive(rooms, 40);
  await rooms.clock.advance(1);
  expect(rooms.records().filter((text) => text === 'Delivery 200')).toHaveLength(39);
  const { connections } = rooms.lua;
  expect(connections.length).toBeLessThanOrEqual(8);
  // The watchdog ends it after ten minutes, uncounted.
  await rooms.clock.advance(599_000);
  expect(rooms.events.some(({ type }) => type === 'Delayed')).toBe(false);
  await rooms.clock.advance(2000);
  const delayed = rooms.events.find(({ type }) => type === 'Delayed')!;
  expect(delayed.response.content).toContain('dispatcher watchdog aborted task; no progress for 10m');
  expect(delayed.attempts).toBe(0);
  expect(rooms.lua.released).toBe(connections.length);
});

test('an administrator ends the connection of a handler that never answers', async () => {
  const rooms = luaRooms(
    ([message]) => (message!.recipients[0]!.localPart === 'r0' ? new Promise(() => {}) : returns('fine')),
    {},
    { connection_limit: 1 },
  );
  await receive(rooms, 3);
  await rooms.clock.advance(1);
  const [queue] = [...rooms.ready.live()];
  const { sessionId } = queue!.open.inspect()[0]!;
  expect(queue!.open.abort(sessionId!)).toBe(true);
  await rooms.clock.advance(100);
  expect(rooms.records().filter((text) => text === 'Delivery 200')).toHaveLength(2);
  expect(rooms.events.find(({ type }) => type === 'Delayed')).toMatchObject({
    attempts: 0,
    response: { code: 451, content: 'KumoMTA internal: the connection was aborted by an administrator' },
  });
});

test('an outdated connection is closed after the message, and a new one takes the rest', async () => {
  const rooms = luaRooms((_messages, connection) => {
    if (rooms.lua.sent.length === 2) connection.isToClose = true;
    return returns('fine');
  });
  await receive(rooms, 5);
  await rooms.clock.advance(1);
  expect(rooms.lua.connections.map(({ calls }) => calls)).toEqual([
    ['send', 'send', 'close'],
    ['send', 'send', 'send'],
  ]);
});

test('an idle connection that becomes outdated is closed soon', async () => {
  const rooms = luaRooms(ok);
  await receive(rooms, 1);
  const [connection] = rooms.lua.connections;
  connection!.isToClose = true;
  for (const tell of connection!.toClose) tell();
  await rooms.clock.advance(1);
  expect(rooms.lua.released).toBe(1);
  expect(connection!.toClose.size).toBe(0);
});

test('throttles: a short wait holds the connection, a long one sends the whole queue back uncounted', async () => {
  const short = luaRooms(ok, {}, { max_message_rate: '1/s,max_burst=1' });
  await receive(short, 3);
  await short.clock.advance(2500);
  expect(short.records().filter((text) => text === 'Delivery 200')).toHaveLength(3);
  expect(short.lua.connections).toHaveLength(1);

  const long = luaRooms(ok, {}, { max_message_rate: '1/h,max_burst=1' });
  await receive(long, 3);
  await long.clock.advance(1);
  expect(long.records().filter((text) => text === 'Delivery 200')).toHaveLength(1);
  const delayed = long.events.filter(({ type }) => type === 'Delayed');
  expect(delayed).toHaveLength(2);
  expect(delayed.map(({ attempts }) => attempts)).toEqual([0, 0]);
});

test('stopping: what is being sent finishes, what waits stays in the spool', async () => {
  let answer: (result: PolicyResult) => void = () => {};
  const rooms = luaRooms(() => new Promise((resolve) => (answer = resolve)));
  await receive(rooms, 3);
  expect(rooms.lua.sent).toHaveLength(1);
  const stopped = rooms.ready.stop();
  answer(returns('just in time'));
  await stopped;
  expect(rooms.records().filter((text) => text === 'Delivery 200')).toHaveLength(1);
  expect(rooms.spool.content.size).toBe(2);
  expect(rooms.lua.connections[0]!.calls).toEqual(['send', 'close']);
  expect(rooms.lua.released).toBe(1);
});

test('stopping does not wait longer than system_shutdown_timeout; the message stays in the spool', async () => {
  const rooms = luaRooms(() => new Promise(() => {}), {}, { system_shutdown_timeout: '3s' });
  await receive(rooms, 1);
  const stopped = rooms.ready.stop();
  await rooms.clock.advance(3000);
  await stopped;
  expect(rooms.records()).toEqual(['Reception 250']);
  expect(rooms.spool.content.size).toBe(1);
  expect(rooms.lua.released).toBe(1);
});
