import { describe, expect, test } from 'vitest';
import { TestResolver } from '../../../src/io/dns/index.ts';
import { mailRooms, pathConfig, queueConfig, returns } from '../../kit/mail-rooms.ts';

const minutes = (count: number): number => count * 60_000;

describe('a message', () => {
  test('is on disk before it is accepted, is delivered, and leaves the spool', async () => {
    const rooms = mailRooms();
    const answer = await rooms.receive(['user@dest.example']);
    expect(answer.reply).toMatchObject({ code: 250, content: expect.stringMatching(/^OK ids=\d{32}$/) });
    expect(rooms.spool.content.size).toBe(1);
    await rooms.clock.advance(100);
    expect(rooms.records()).toEqual(['Reception 250', 'Delivery 250']);
    expect(rooms.peers.bodies[0]).toContain('hello');
    expect(rooms.spool.content.size).toBe(0);
    expect(rooms.queues.size).toBe(0);
  });

  test('has a Received header of its own for each recipient', async () => {
    const rooms = mailRooms();
    await rooms.receive(['a@dest.example', 'b@dest.example']);
    await rooms.clock.advance(100);
    expect(rooms.peers.bodies).toHaveLength(2);
    for (const recipient of ['a@dest.example', 'b@dest.example']) {
      const body = rooms.peers.bodies.find((text) => text.includes(`for <${recipient}>;`))!;
      expect(body).toMatch(
        /^Received: from client\.example \(198\.51\.100\.7\)\r\n {2}by mta\.example \(Moonpost 192\.0\.2\.9\)\r\n/,
      );
    }
  });

  test('of queue null is logged and forgotten', async () => {
    const rooms = mailRooms({
      smtp_server_message_received: (message: { meta: Record<string, string> }) => {
        message.meta.queue = 'null';
        return returns();
      },
    });
    expect((await rooms.receive(['user@dest.example'])).reply.code).toBe(250);
    await rooms.clock.advance(minutes(1));
    expect(rooms.records()).toEqual(['Reception 250']);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('that the spool cannot keep is answered 452, and the others of its transaction are taken back', async () => {
    const rooms = mailRooms();
    const store = rooms.spool.store.bind(rooms.spool);
    let calls = 0;
    rooms.spool.store = (...args) => {
      rooms.spool.failing = ++calls === 2;
      return store(...args);
    };
    expect((await rooms.receive(['a@dest.example', 'b@dest.example'])).reply.code).toBe(452);
    await rooms.clock.advance(minutes(1));
    expect(rooms.spool.content.size).toBe(0);
    expect(rooms.records()).toEqual([]);
    expect(rooms.peers.bodies).toEqual([]);
  });
});

describe('policy during reception', () => {
  test('a reject answers for the whole transaction and spools nothing', async () => {
    const rooms = mailRooms({
      smtp_server_message_received: () => ({
        kind: 'reject',
        code: 550,
        text: '5.7.1 no',
        disconnect: 'If421',
      }),
    });
    const answer = await rooms.receive(['a@dest.example', 'b@dest.example']);
    expect(answer.reply).toMatchObject({
      code: 550,
      enhanced: { class: 5, subject: 7, detail: 1 },
      content: 'no',
    });
    expect(rooms.spool.content.size).toBe(0);
    expect(rooms.policy.fired.filter((event) => event === 'smtp_server_message_received')).toHaveLength(1);
  });

  test('an error answers 421 4.3.0 and spools nothing', async () => {
    const rooms = mailRooms({
      smtp_server_message_received: () => ({ kind: 'error', message: 'init.lua:1: x' }),
    });
    const answer = await rooms.receive(['a@dest.example']);
    expect(answer.reply).toMatchObject({ code: 421, content: 'mta.example technical difficulties' });
    expect(rooms.spool.content.size).toBe(0);
  });

  test('an error in get_queue_config answers 421 once, is not asked again for a minute, spools nothing', async () => {
    let broken = true;
    const rooms = mailRooms({
      get_queue_config: () => (broken ? { kind: 'error', message: 'init.lua:9: boom' } : queueConfig({})),
    });
    expect((await rooms.receive(['a@dest.example'])).reply.code).toBe(421);
    expect((await rooms.receive(['a@dest.example'])).reply.code).toBe(421);
    expect(rooms.policy.fired.filter((event) => event === 'get_queue_config')).toHaveLength(1);
    expect(rooms.spool.content.size).toBe(0);
    broken = false;
    await rooms.clock.advance(minutes(1));
    expect((await rooms.receive(['a@dest.example'])).reply.code).toBe(250);
  });
});

describe('failures and retries (delivery.md 5, 8, 9)', () => {
  test('a 4xx is tried again after retry_interval, doubling, and the count is kept', async () => {
    const rooms = mailRooms({ get_queue_config: () => queueConfig({ retry_interval: '10 minutes' }) });
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 4.2.1 later' : undefined);
    await rooms.receive(['user@dest.example']);
    await rooms.clock.advance(1000);
    expect(rooms.records()).toEqual(['Reception 250', 'TransientFailure 451']);
    const [kept] = [...rooms.spool.content.values()];
    expect(kept!.progress.attempts).toBe(1);
    expect(kept!.progress.due).toBeGreaterThan(rooms.clock.now() + minutes(9));
    await rooms.clock.advance(minutes(9));
    expect(rooms.records()).toHaveLength(2);
    await rooms.clock.advance(minutes(1));
    expect(rooms.records()).toHaveLength(3);
    await rooms.clock.advance(minutes(19));
    expect(rooms.records()).toHaveLength(3);
    rooms.peers.answer = () => undefined;
    await rooms.clock.advance(minutes(2));
    expect(rooms.events.map(({ type, attempts }) => `${type} ${attempts}`)).toEqual([
      'Reception 0',
      'TransientFailure 0',
      'TransientFailure 1',
      'Delivery 2',
    ]);
  });

  test('a 5xx bounces and the message is gone', async () => {
    const rooms = mailRooms();
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '550 5.1.1 nobody' : undefined);
    await rooms.receive(['user@dest.example']);
    await rooms.clock.advance(1000);
    expect(rooms.records()).toEqual(['Reception 250', 'Bounce 550']);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('max_age expires the message instead of another wait', async () => {
    const rooms = mailRooms({
      get_queue_config: () => queueConfig({ retry_interval: '10 minutes', max_age: '25 minutes' }),
    });
    rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
    await rooms.receive(['user@dest.example']);
    await rooms.clock.advance(minutes(60));
    expect(rooms.records()).toEqual([
      'Reception 250',
      'TransientFailure 451',
      'TransientFailure 451',
      'Expiration 551',
    ]);
    expect(rooms.events.at(-1)!.response.content).toMatch(
      /^Next delivery time would be .+ after creation, which exceeds max_age=25m$/,
    );
    expect(rooms.spool.content.size).toBe(0);
  });

  test('only the recipients without a final answer are tried again', async () => {
    const rooms = mailRooms({
      smtp_server_message_received: () => returns(),
      get_queue_config: () => queueConfig({ retry_interval: '10 minutes' }),
    });
    rooms.peers.answer = (command) => {
      if (command.includes('a@')) return '550 5.1.1 nobody';
      return command.includes('b@') ? '450 4.2.1 later' : undefined;
    };
    const answer = await rooms.reception.receive({
      ...(await import('../../kit/mail-rooms.ts')).transaction(
        rooms.clock,
        ['a@dest.example', 'b@dest.example', 'c@dest.example'],
        'Subject: x\r\n\r\nhello\r\n',
      ),
      listener: {
        batch_handling: 'BatchByDomain',
        deferred_queue: false,
        deferred_spool: false,
        trace_headers: {
          received_header: true,
          supplemental_header: false,
          header_name: 'X-KumoRef',
          include_meta_names: [],
        },
      },
    });
    expect(answer.reply.code).toBe(250);
    await rooms.clock.advance(1000);
    const seen = rooms.events.map(({ type, recipients }) => `${type} ${recipients?.join() ?? '-'}`);
    expect(seen.slice(1).sort()).toEqual([
      'Bounce a@dest.example',
      'Delivery c@dest.example',
      'TransientFailure b@dest.example',
    ]);
    expect(JSON.parse([...rooms.spool.content.values()][0]!.envelope).recipients).toEqual(['b@dest.example']);
    rooms.peers.commands.length = 0;
    rooms.peers.answer = () => undefined;
    await rooms.clock.advance(minutes(11));
    expect(rooms.peers.commands.filter((command) => command.startsWith('RCPT'))).toEqual([
      'RCPT TO:<b@dest.example>',
    ]);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('the next host of the plan is tried when the first does not answer', async () => {
    const rooms = mailRooms();
    rooms.peers.dead.add('192.0.2.1');
    await rooms.receive(['user@dest.example']);
    await rooms.clock.advance(1000);
    expect(rooms.events.at(-1)).toMatchObject({ type: 'Delivery', peer: { name: 'mx2.dest.example' } });
  });

  test('no host answering is a transient failure that names them all', async () => {
    const rooms = mailRooms();
    rooms.peers.dead.add('192.0.2.1').add('192.0.2.2');
    await rooms.receive(['user@dest.example']);
    await rooms.clock.advance(1000);
    const { response } = rooms.events.at(-1)!;
    expect(response.code).toBe(400);
    expect(response.content).toMatch(
      /^KumoMTA internal: failed to connect to any candidate hosts: mx1\.dest\.example\/192\.0\.2\.1:25: .*, mx2/,
    );
  });

  test('an unknown domain is held, not bounced', async () => {
    const rooms = mailRooms();
    await rooms.receive(['user@nowhere.example']);
    await rooms.clock.advance(1000);
    expect(rooms.events.at(-1)!.response).toMatchObject({
      code: 451,
      content: expect.stringMatching(/^failed to resolve queue nowhere\.example: /),
    });
    expect(rooms.spool.content.size).toBe(1);
  });

  test('the record says whether DNSSEC proved the address of the peer', async () => {
    const zone = 'signed.example. MX 1 mx.signed.example.\nmx.signed.example. A 192.0.2.7\n';
    const resolver = new TestResolver([{ zone, secure: true }]);
    const trusted = { name: 'mx.signed.example', addr: '192.0.2.7' };
    const peerOf = async (recipient: string, protocol: object): Promise<unknown> => {
      const rooms = mailRooms(
        { get_queue_config: () => queueConfig({ protocol: { smtp: protocol } }) },
        ...([undefined, undefined, {}, { resolver }] as const),
      );
      await rooms.receive([recipient]);
      await rooms.clock.advance(1000);
      return rooms.events.at(-1)!.peer;
    };
    expect(await peerOf('a@signed.example', {})).toEqual({ ...trusted, is_secure: true });
    expect(await peerOf('a@x.example', { mx_list: ['mx.signed.example'] })).toEqual({
      ...trusted,
      is_secure: true,
    });
    // What the operator says is proved is not what DNSSEC proved.
    expect(await peerOf('a@x.example', { mx_list: [trusted], treat_mx_list_as_secure: true })).toEqual(
      trusted,
    );
    expect(await peerOf('a@[192.0.2.7]', {})).toEqual({ name: '192.0.2.7', addr: '192.0.2.7' });
  });

  test('prohibited hosts bounce, skipped ones are tried later (delivery.md 8.2)', async () => {
    let path: object = { prohibited_hosts: ['192.0.2.0/24'] };
    const rooms = mailRooms({ get_egress_path_config: () => pathConfig(path) });
    await rooms.receive(['user@dest.example']);
    await rooms.clock.advance(1000);
    expect(rooms.records().at(-1)).toBe('Bounce 550');
    path = { skip_hosts: ['192.0.2.0/24'] };
    const others = mailRooms({ get_egress_path_config: () => pathConfig(path) });
    await others.receive(['user@dest.example']);
    await others.clock.advance(1000);
    expect(others.events.at(-1)!.response.content).toContain('solely of hosts on the skip_hosts list');
  });

  test('an undefined pool holds the mail and says so', async () => {
    const rooms = mailRooms({ get_queue_config: () => queueConfig({ egress_pool: 'nowhere' }) });
    await rooms.receive(['user@dest.example']);
    await rooms.clock.advance(1000);
    expect(rooms.events.at(-1)!.response.content).toContain('Event get_egress_pool has not been registered');
    expect(rooms.spool.content.size).toBe(1);
  });
});
