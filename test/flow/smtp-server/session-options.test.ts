import { describe, expect, test } from 'vitest';
import { sessionOptions } from '../../../src/flow/smtp-server/session-options.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { ConnectionMeta } from '../../../src/model/index.ts';
import { esmtpListenerOptions } from '../../../src/model/options/index.ts';
import { fails, rejects, returns, smtpSession } from '../../kit/smtp-session.ts';

const DYNAMIC = 'smtp_server_get_dynamic_parameters';
const listener = (options: object) => parseOptions(esmtpListenerOptions, options);
const at = (options: object, peer: string, local = '192.0.2.1', dynamic?: Record<string, unknown>) =>
  sessionOptions(listener(options), { peer, local }, dynamic);

describe('application order', () => {
  test('a listener without blocks is taken as it is', () => {
    const options = listener({});
    expect(sessionOptions(options, { peer: '10.0.0.1', local: '10.0.0.2' }, undefined)).toBe(options);
  });

  test('listener, peer, via: the later one wins, metadata merges', () => {
    const options = {
      banner: 'listener',
      max_message_size: 1,
      meta: { from: 'listener', a: 1 },
      peer: { '10.0.0.0/8': { banner: 'peer', max_message_size: 2, meta: { from: 'peer', b: 2 } } },
      via: { '192.0.2.1': { banner: 'via', meta: { from: 'via', c: 3 } } },
    };
    expect(at(options, '10.1.2.3')).toMatchObject({
      banner: 'via',
      max_message_size: 2,
      meta: { from: 'via', a: 1, b: 2, c: 3 },
    });
    expect(at(options, '10.1.2.3', '192.0.2.2')).toMatchObject({ banner: 'peer', meta: { from: 'peer' } });
    expect(at(options, '11.0.0.1', '192.0.2.2')).toMatchObject({ banner: 'listener', meta: { a: 1 } });
  });

  test('blocks hold blocks, which are applied before the next sibling', () => {
    const options = {
      via: { '192.0.2.1': { max_message_size: 7 } },
      peer: {
        '10.0.0.0/8': {
          banner: 'peer',
          via: { '192.0.2.1': { banner: 'peer and via', max_message_size: 5 } },
        },
      },
    };
    expect(at(options, '10.0.0.1')).toMatchObject({ banner: 'peer and via', max_message_size: 7 });
    expect(at(options, '10.0.0.1', '192.0.2.2')).toMatchObject({ banner: 'peer' });
  });

  test('of several blocks that fit the narrowest is taken, whatever their order', () => {
    const blocks = {
      '0.0.0.0/0': { banner: 'all' },
      '10.0.0.1': { banner: 'one' },
      '10.0.0.0/8': { banner: 'net' },
    };
    expect(at({ peer: blocks }, '10.0.0.1').banner).toBe('one');
    expect(at({ peer: blocks }, '10.0.0.2').banner).toBe('net');
    expect(at({ peer: blocks }, '9.0.0.1').banner).toBe('all');
    expect(at({ peer: blocks }, '2001:db8::1').banner).toBe('Moonpost');
  });

  test('what policy gives comes last, with its blocks', () => {
    const options = at({ peer: { '10.0.0.1': { banner: 'peer' } } }, '10.0.0.1', '192.0.2.1', {
      banner: 'policy',
      peer: { '10.0.0.1': { max_message_size: 9 } },
    });
    expect(options).toMatchObject({ banner: 'policy', max_message_size: 9 });
  });

  test('trace_headers given as a whole take their own defaults', () => {
    const options = {
      trace_headers: { received_header: false },
      peer: { '10.0.0.1': { trace_headers: { header_name: 'X-Peer' } } },
    };
    expect(at(options, '10.0.0.1').trace_headers).toMatchObject({
      received_header: true,
      header_name: 'X-Peer',
    });
  });

  test('one session cannot change the listener or another session', () => {
    const options = listener({ meta: { a: 1 }, peer: { '10.0.0.1': { meta: { b: 2 } } } });
    sessionOptions(options, { peer: '10.0.0.1', local: '::1' }, { banner: 'x', meta: { a: 5 } });
    expect(options).toMatchObject({ banner: 'Moonpost', meta: { a: 1 } });
    expect(Object.keys(options.meta)).toEqual(['a']);
  });

  test('blocks do not take what only a listener has', () => {
    const unknown = { peer: { '10.0.0.1': { max_connections: 5 } } };
    expect(() => listener(unknown)).toThrow('max_connections');
  });
});

describe('in a session', () => {
  test('a peer block gives banner, metadata, limits and relaying', async () => {
    const session = smtpSession({
      relays: false,
      options: {
        ...listener({
          relay_hosts: [],
          peer: {
            '127.0.0.1': {
              hostname: 'other.test',
              banner: 'hello',
              relay_hosts: ['127.0.0.0/8'],
              max_recipients_per_message: 1,
              meta: { tenant: 'blue' },
            },
          },
        }),
      },
    });
    await session.envelope();
    await session.rcptTo('second@example.com', '452');
    await session.data('x\r\n');
    expect(session.received[0]).toMatchObject({ hostname: 'other.test', listener: { banner: 'hello' } });
    expect(session.received[0]!.meta.values).toMatchObject({ tenant: 'blue', hostname: 'other.test' });
  });

  test('policy gives options before everything else', async () => {
    const seen: unknown[] = [];
    const session = smtpSession({
      options: { meta: { tenant: 'blue' } },
      policy: {
        [DYNAMIC]: (listenerAddress, meta) => {
          seen.push(listenerAddress, { ...(meta as ConnectionMeta).values });
          return returns({ banner: 'dynamic', meta: { campaign: 'spring' } });
        },
        smtp_server_connection_accepted: (meta) => {
          seen.push((meta as ConnectionMeta).get('campaign'));
          return undefined;
        },
      },
    });
    await session.expect('220 mx.test dynamic');
    expect(seen).toEqual([
      '127.0.0.1:2525',
      expect.objectContaining({ tenant: 'blue', received_from: '127.0.0.1:40001' }),
      'spring',
    ]);
  });

  test('an empty table changes nothing', async () => {
    for (const empty of [{}, []]) {
      await smtpSession({ policy: { [DYNAMIC]: () => returns(empty) } }).expect('220 mx.test Moonpost');
    }
  });

  test.each([
    [undefined],
    ['text'],
    [{ no_such: 1 }],
    [{ listen: '127.0.0.1:25' }],
    [{ client_timeout: 'x' }],
  ])('a return of %j is an error of the policy', async (value) => {
    const session = smtpSession({ policy: { [DYNAMIC]: () => returns(value) } });
    await session.expect('421 4.3.0 mx.test technical difficulties');
    expect(session.closed).toBe(true);
    expect(session.test.complaints[0]).toContain(DYNAMIC);
  });

  test('a rejection is said and closes, whatever its code', async () => {
    const session = smtpSession({ policy: { [DYNAMIC]: () => rejects(550, '5.7.1 not you') } });
    await session.expect('550 5.7.1 not you');
    expect(session.closed).toBe(true);
    expect(session.test.policy.fired).toEqual([DYNAMIC]);
  });

  test('an error closes', async () => {
    const session = smtpSession({ policy: { [DYNAMIC]: () => fails } });
    await session.expect('421 4.3.0');
    expect(session.closed).toBe(true);
  });
});
