import { describe, expect, test } from 'vitest';
import { type MailPath, mailPath, send } from './mail-path.ts';

/**
 * The events of queues and delivery (policy-api.md 1.5 and 1.6) under the real engine: what they are told, what their
 * answers do, and what kumo.reject, kumo.disconnect and any other error do (1.4). What the rooms do with each outcome
 * in depth is in mail-path/: insert-throttle, deferred-injection, rebind, holds, mishaps.
 */
const QUEUE = `kumo.on('get_queue_config', function() return kumo.make_queue_config{retry_interval = '1m'} end)`;
const lua = (text: string): string => text.replaceAll('\n', ' ');

const records = (path: MailPath): string[] => path.rooms.records();
const last = (path: MailPath) => path.rooms.events.at(-1)!;
const refuse = (path: MailPath, answer: string | undefined): void => {
  path.rooms.peers.answer = (command) => (command.startsWith('RCPT') ? answer : undefined);
};

/** The three ways of an error that is none of refusing. */
const FAILURES: [string, string, string][] = [
  ['kumo.reject', `kumo.reject(550, '5.7.1 no')`, '550 5.7.1 no'],
  ['kumo.disconnect', `kumo.disconnect(550, '5.7.1 no')`, '550 5.7.1 no'],
  ['any other error', `error('oops')`, 'policy.lua:1: oops'],
];

describe('get_queue_config', () => {
  const on = (body: string): string => `kumo.on('get_queue_config', function(...) ${body} end)`;

  test('is told the parts of the name of the queue', async () => {
    const path = await mailPath(
      lua(`${on('note(...)')}
      kumo.on('smtp_server_message_received', function(msg)
        if msg:recipient().user == 'plain' then return end
        if msg:recipient().user == 'campaign' then msg:set_meta('campaign', 'c') return end
        msg:set_meta('tenant', 't') msg:set_meta('campaign', 'c') msg:set_meta('routing_domain', 'dest.example')
      end)`),
    );
    await send(path, ['plain@dest.example', 'campaign@dest.example', 'all@Other.Example']);
    expect(path.noted).toEqual([
      ['dest.example', 'nil', 'nil', 'nil'],
      ['dest.example', '', 'c', 'nil'],
      ['other.example', 't', 'c', 'dest.example'],
    ]);
  });

  test('the first of several that returns anything has the word', async () => {
    const path = await mailPath(
      `${on(`note('one')`)} ${on(`note('two') return kumo.make_queue_config{}`)} ${on(`note('three')`)}`,
    );
    await send(path);
    expect(path.noted).toEqual([['one'], ['two']]);
  });

  test.each([...FAILURES.map(([, body]) => body), 'return nil', 'return {}'])(
    'during reception %s answers 421; nothing is kept',
    async (body) => {
      const path = await mailPath(on(body));
      await send(path, ['user@dest.example'], '421 4.3.0 mx.test technical difficulties');
      expect(records(path)).toEqual([]);
      expect(path.rooms.spool.content.size).toBe(0);
    },
  );

  test.each(['null', 'generator.kumomta.internal', 'deferred_smtp_inject.kumomta.internal'])(
    'is not asked about %s',
    async (name) => {
      const path = await mailPath(
        lua(`${on('note(...)')}
        kumo.on('smtp_server_message_received', function(msg)
          if msg:recipient().user == 'special' then msg:set_meta('queue', '${name}') end
        end)`),
      );
      await send(path, ['special@dest.example']);
      expect(path.noted.flat()).not.toContain(name);
    },
  );
});

describe('get_egress_pool, get_egress_source, get_egress_path_config', () => {
  const policy = (pool: string, source: string, path: string): string =>
    lua(`kumo.on('get_queue_config', function()
        return kumo.make_queue_config{egress_pool = 'pool', retry_interval = '1m'}
      end)
      kumo.on('get_egress_pool', function(...) note('pool', ...) ${pool} end)
      kumo.on('get_egress_source', function(...) note('source', ...) ${source} end)
      kumo.on('get_egress_path_config', function(...) note('path', ...) ${path} end)`);
  const POOL = `return kumo.make_egress_pool{name = 'pool', entries = {{name = 'ip-1'}}}`;
  const SOURCE = `return kumo.make_egress_source{name = 'ip-1'}`;
  const PATH = `return kumo.make_egress_path{}`;

  test('are told names, and in the end the routing domain, source and site', async () => {
    const path = await mailPath(policy(POOL, SOURCE, PATH));
    await send(path);
    await path.advance(1);
    expect(path.noted).toEqual([
      ['pool', 'pool'],
      ['source', 'ip-1'],
      ['path', 'dest.example', 'ip-1', '(mx1|mx2).dest.example'],
    ]);
    expect(last(path)).toMatchObject({ type: 'Delivery', pool: 'pool', source: 'ip-1' });
  });

  test.each(
    [...FAILURES.map(([, body]) => body), 'return nil', 'return {}'].flatMap((body) => [
      ['pool', policy(body, SOURCE, PATH)],
      ['source', policy(POOL, body, PATH)],
      ['path', policy(POOL, SOURCE, body)],
    ]),
  )('a failing %s: the message is kept, waits and is tried again: %s', async (_what, source) => {
    const path = await mailPath(source);
    await send(path);
    await path.advance(2);
    expect(records(path)).toEqual(['Reception 250', 'TransientFailure 451']);
    await path.advance(300);
    expect(records(path).filter((record) => record === 'TransientFailure 451').length).toBeGreaterThan(1);
    expect(path.rooms.spool.content.size).toBe(1);
  });

  test('absent: pool and source `unspecified` are built in, others are an error; paths have defaults', async () => {
    const builtIn = await mailPath('');
    await send(builtIn);
    await builtIn.advance(1);
    expect(last(builtIn)).toMatchObject({ type: 'Delivery', source: 'unspecified' });
    const unknown = await mailPath(
      `kumo.on('get_queue_config', function() return kumo.make_queue_config{egress_pool = 'pool'} end)`,
    );
    await send(unknown);
    await unknown.advance(1);
    expect(last(unknown).type).toBe('TransientFailure');
    expect(last(unknown).response.content).toContain('get_egress_pool');
  });
});

describe('smtp_client_rewrite_delivery_status', () => {
  const on = (body: string): string =>
    lua(`${QUEUE} kumo.on('smtp_client_rewrite_delivery_status', function(...) ${body} end)
      kumo.on('smtp_server_message_received', function(msg)
        msg:set_meta('tenant', 't') msg:set_meta('campaign', 'c')
        if msg:recipient().user == 'routed' then msg:set_meta('routing_domain', 'dest.example') end
      end)`);

  test('is told the reply in one line and the parts of the queue; the domain stands for the routing domain', async () => {
    const path = await mailPath(on('note(...)'));
    refuse(path, '451-4.2.1 one\r\n451 4.2.1 two');
    await send(path, ['user@dest.example', 'routed@other.example']);
    await path.advance(1);
    expect(path.noted).toContainEqual(['451 4.2.1 one\\r\\ntwo', 'dest.example', 't', 'c', 'dest.example']);
    expect(path.noted).toContainEqual(['451 4.2.1 one\\r\\ntwo', 'other.example', 't', 'c', 'dest.example']);
    expect(last(path).response).toMatchObject({ code: 451, content: 'one\ntwo' });
  });

  test('is not asked about 250', async () => {
    const path = await mailPath(on('note(...)'));
    await send(path);
    await path.advance(1);
    expect(path.noted).toEqual([]);
    expect(last(path).type).toBe('Delivery');
  });

  test.each<[string, string, string]>([
    ['return 550', 'Bounce', 'later (kumomta: status was rewritten from 451 -> 550)'],
    [`return '550'`, 'Bounce', 'later (kumomta: status was rewritten from 451 -> 550)'],
    ['return 451', 'TransientFailure', 'later'],
    ['return nil', 'TransientFailure', 'later'],
    ['return', 'TransientFailure', 'later'],
    ['return 99', 'TransientFailure', 'later'],
    ['return {}', 'TransientFailure', 'later'],
    ...FAILURES.map(([, body]): [string, string, string] => [body, 'TransientFailure', 'later']),
  ])('%s: %s', async (body, type, content) => {
    const path = await mailPath(on(body));
    refuse(path, '451 4.2.1 later');
    await send(path);
    await path.advance(1);
    expect(last(path)).toMatchObject({ type, response: { content } });
    if (!body.startsWith('return ') || /99|\{\}/.test(body)) {
      expect(path.said()).toMatch(body === 'return' ? /^/ : /smtp_client_rewrite_delivery_status/);
    }
  });
});

describe('requeue_message', () => {
  const on = (body: string): string => `kumo.on('requeue_message', function(msg, ...) ${body} end)`;

  test('is told message, reply, reasons, whether the attempt counts and the delay; the count is still the old one', async () => {
    const path = await mailPath(`${QUEUE} ${on('note(msg, msg:num_attempts(), ...)')}`);
    refuse(path, '451-4.2.1 one\r\n451 4.2.1 two');
    await send(path);
    await path.advance(120);
    expect(path.noted).toEqual([
      ['message to user@dest.example', 0, '451 4.2.1 one two', ['LoggedTransientFailure'], true, 'nil'],
      ['message to user@dest.example', 1, '451 4.2.1 one two', ['LoggedTransientFailure'], true, 'nil'],
    ]);
  });

  test('is told the delay of what does not count', async () => {
    const path = await mailPath(
      lua(`${QUEUE} local th = kumo.make_throttle('t', '1/min,max_burst=1')
      kumo.on('throttle_insert_ready_queue', function(msg) th:delay_message_if_throttled(msg) end)
      ${on('local reply, why, counts, delay = ... note(why, counts, delay.seconds)')}`),
    );
    await send(path, ['a@dest.example', 'b@dest.example', 'c@dest.example']);
    await path.advance(1);
    const told = [['Received', 'ThrottledByThrottleInsertReadyQueue'], false, 60];
    expect(path.noted).toEqual([told, told]);
    await path.advance(180);
    expect(records(path).filter((record) => record === 'Delivery 250')).toHaveLength(3);
    expect(path.rooms.events.every(({ attempts }) => attempts === 0)).toBe(true);
  });

  test('another queue: at once, and the attempt counts', async () => {
    const path = await mailPath(`${QUEUE} ${on(`msg:set_meta('tenant', 'new')`)}`);
    refuse(path, '451 later');
    await send(path);
    await path.advance(1);
    expect(path.rooms.events.map(({ type, queue, attempts }) => [type, queue, attempts])).toEqual([
      ['Reception', 'dest.example', 0],
      ['TransientFailure', 'dest.example', 0],
      ['TransientFailure', 'new@dest.example', 1],
    ]);
  });

  test.each([
    ['kumo.reject', `kumo.reject(450, '4.7.1 enough')`],
    ['kumo.disconnect', `kumo.disconnect(450, '4.7.1 enough')`],
    ['kumo.reject after pcall', `local ok, e = pcall(kumo.reject, 450, '4.7.1 enough') error(e)`],
  ])('%s bounces with that code, even 4xx', async (_how, body) => {
    const path = await mailPath(`${QUEUE} ${on(body)}`);
    refuse(path, '451 later');
    await send(path);
    await path.advance(1);
    expect(last(path)).toMatchObject({
      type: 'Bounce',
      response: { code: 450, enhanced: { class: 4, subject: 7, detail: 1 }, content: 'enough' },
    });
    expect(path.rooms.spool.content.size).toBe(0);
  });

  test('any other error is logged; the message goes back to its queue as it was', async () => {
    const path = await mailPath(
      `${QUEUE} ${on(`msg:set_meta('tenant', 'half') msg:set_data('gone') error('oops')`)}`,
    );
    refuse(path, '451 later');
    await send(path);
    await path.advance(1);
    refuse(path, undefined);
    await path.advance(120);
    expect(path.said()).toMatch(/requeue_message: .*policy\.lua:1: oops/);
    expect(last(path)).toMatchObject({ type: 'Delivery', queue: 'dest.example', attempts: 1 });
    expect(path.rooms.peers.bodies[0]).toContain('hello');
  });

  test('several: each that returns nothing passes on; a value, nil too, ends it', async () => {
    const path = await mailPath(
      `${QUEUE} ${on(`note('one')`)} ${on(`note('two') return nil`)} ${on(`note('three')`)}`,
    );
    refuse(path, '451 later');
    await send(path);
    await path.advance(1);
    expect(path.noted).toEqual([['one'], ['two']]);
  });
});

describe('throttle_insert_ready_queue', () => {
  const on = (body: string): string => `kumo.on('throttle_insert_ready_queue', function(...) ${body} end)`;

  test('is told the message; absent or without effect it lets everything pass', async () => {
    const path = await mailPath(on('note(...)'));
    await send(path);
    await path.advance(1);
    expect(path.noted).toEqual([['message to user@dest.example']]);
    expect(records(path)).toEqual(['Reception 250', 'Delivery 250']);
  });

  test('several: a value ends the chain', async () => {
    const path = await mailPath(
      `${on(`note('one')`)} ${on(`note('two') return true`)} ${on(`note('three')`)}`,
    );
    await send(path);
    expect(path.noted).toEqual([['one'], ['two']]);
  });

  test.each(FAILURES)('%s unwinds a reception', async (_how, body, text) => {
    const path = await mailPath(on(body));
    await send(path, ['user@dest.example'], '421 4.3.0 mx.test technical difficulties');
    expect(records(path)).toEqual(['Reception 250', 'Bounce 500']);
    expect(last(path).response.content).toContain(text);
    expect(path.rooms.spool.content.size).toBe(0);
  });

  test.each(FAILURES)('%s has a message that is due wait, and never stuck', async (_how, body, text) => {
    const path = await mailPath(`${QUEUE} ${on(`if (...):num_attempts() == 1 then ${body} end`)}`);
    refuse(path, '451 later');
    await send(path);
    await path.advance(1);
    refuse(path, undefined);
    await path.advance(70);
    expect(last(path)).toMatchObject({ type: 'TransientFailure', response: { code: 451 } });
    expect(last(path).response.content).toContain(text);
    await path.advance(300);
    expect(last(path)).toMatchObject({ type: 'Delivery', attempts: 2 });
  });
});

describe('smtp_server_message_deferred_inject', () => {
  const on = (body: string): string =>
    `${QUEUE} kumo.on('smtp_server_message_deferred_inject', function(msg, meta) ${body} end)`;
  const deferred = { options: { deferred_queue: true } };

  test('is told the message, whose queue is unset, and a connection made of its metadata', async () => {
    const path = await mailPath(
      on(
        `note(msg, meta, msg:get_meta('queue'), msg:queue_name(), meta:get_meta('received_from'))
        meta:set_meta('x', 1) note(msg:get_meta('x'))`.replace('\n', ' '),
      ),
      deferred,
    );
    await send(path);
    await path.advance(1);
    expect(path.noted).toEqual([
      [
        'message to user@dest.example',
        'connection ESMTP',
        'nil',
        'dest.example',
        expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      ],
      ['nil'],
    ]);
    expect(records(path)).toEqual(['Reception 250', 'DeferredInjectionRebind 250', 'Delivery 250']);
  });

  test.each<[string, string, string]>([
    [`kumo.reject(550, '5.7.1 no')`, 'Bounce 550', '5.7.1'],
    [`kumo.disconnect(500, 'no')`, 'Bounce 500', 'no'],
    [`kumo.reject(421, 'no')`, 'TransientFailure 421', 'no'],
    [`local ok, e = pcall(kumo.reject, 451, 'no') error(e)`, 'TransientFailure 451', 'no'],
    [`error('oops')`, 'TransientFailure 450', 'policy.lua:1: oops'],
  ])('%s: %s', async (body, record) => {
    const path = await mailPath(on(body), deferred);
    await send(path);
    await path.advance(1);
    expect(records(path)).toEqual(['Reception 250', record]);
    expect(path.rooms.spool.content.size).toBe(record.startsWith('Bounce') ? 0 : 1);
  });

  test('what waits is injected after a restart with a policy that works', async () => {
    const path = await mailPath(on(`error('oops')`), deferred);
    await send(path);
    await path.advance(1);
    const after = await path.restart(on(`msg:append_header('X-Late', 'yes') msg:set_meta('tenant', 'acme')`));
    await after.rooms.queues.restore();
    await after.advance(120);
    expect(records(after)).toEqual(['DeferredInjectionRebind 250', 'Delivery 250']);
    expect(last(after).queue).toBe('acme@dest.example');
    expect(after.rooms.peers.bodies[0]).toContain('X-Late: yes');
  });
});

describe('spool_message_enumerated', () => {
  const on = (body: string): string =>
    `${QUEUE} kumo.on('spool_message_enumerated', function(...) ${body} end)`;

  async function restarted(body: string): Promise<MailPath> {
    const path = await mailPath(QUEUE);
    refuse(path, '451 later');
    await send(path);
    await path.advance(1);
    const after = await path.restart(on(body));
    await after.rooms.queues.restore();
    return after;
  }

  test('is told each message that was there; what it sets is kept', async () => {
    const path = await restarted(`note(...) local msg = ... msg:set_meta('tenant', 'new') return 'ignored'`);
    expect(path.noted).toEqual([['message to user@dest.example']]);
    await path.advance(120);
    expect(last(path)).toMatchObject({ type: 'Delivery', queue: 'new@dest.example', attempts: 1 });
  });

  test.each(FAILURES)('%s is logged; the message is scheduled as it was', async (_how, body, text) => {
    const path = await restarted(`(...):set_meta('tenant', 'half') ${body}`);
    expect(path.said()).toContain(text);
    await path.advance(120);
    expect(last(path)).toMatchObject({ type: 'Delivery', queue: 'dest.example' });
  });
});

describe('rebind_message', () => {
  const on = (body: string): string => `${QUEUE} kumo.on('rebind_message', function(...) ${body} end)`;

  async function rebound(source: string): Promise<MailPath> {
    const path = await mailPath(source);
    refuse(path, '451 later');
    await send(path);
    await path.advance(1);
    refuse(path, undefined);
    const done = path.rooms.queues.rebind({
      selector: { domain: 'dest.example' },
      reason: 'because',
      data: { to: 'acme' },
      triggerEvent: true,
      alwaysFlush: false,
      suppressLogging: false,
    });
    await path.advance(1);
    await done;
    return path;
  }

  test('is told message and data; what it sets says where the message goes', async () => {
    const path = await rebound(
      on(`note(...) local msg, data = ... msg:set_meta('tenant', data.to) return 1`),
    );
    expect(path.noted).toEqual([['message to user@dest.example', { to: 'acme' }]]);
    await path.advance(1);
    expect(records(path).slice(-2)).toEqual(['AdminRebind 250', 'Delivery 250']);
    expect(last(path).queue).toBe('acme@dest.example');
  });

  test.each(FAILURES)('%s is logged; the message stays as it was', async (_how, body, text) => {
    const path = await rebound(on(`(...):set_meta('tenant', 'half') ${body}`));
    expect(path.said()).toContain(text);
    await path.advance(120);
    expect(records(path)).toEqual(['Reception 250', 'TransientFailure 451', 'Delivery 250']);
    expect(last(path).queue).toBe('dest.example');
  });

  test('absent: a logged error', async () => {
    const path = await rebound(QUEUE);
    expect(path.said()).toContain('Event rebind_message has not been registered');
  });
});
