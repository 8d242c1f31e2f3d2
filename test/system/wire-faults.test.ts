import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { issue } from '../kit/certificates.ts';
import { eventually } from '../kit/eventually.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';
import { type PoliteOptions, polite, type RawAction, RawServer } from '../kit/raw-server.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// One server that sends to a peer for each fault, all at the same time; then each fault looks at what came of it.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const MESSAGES = 2;
const certificate = await issue({ name: 'mx.test' });

const say =
  (...lines: string[]): RawAction =>
  (peer) =>
    peer.say(...lines);
const hang: RawAction = (peer) => peer.closed();
const close: RawAction = (peer) => {
  peer.close();
  return peer.closed();
};
const reset: RawAction = (peer) => peer.reset();
/** One after the other. */
const inTurn =
  (...actions: RawAction[]): RawAction =>
  async (peer) => {
    for (const action of actions) await action(peer);
  };
const something: RawAction = (peer) => peer.something();
const drip: RawAction = (peer) => peer.drip(`250 ${'x'.repeat(300)}\r\n`, 1000);
const manyLines: RawAction = async (peer) => {
  for (let line = 0; line < 10_000; line++) await peer.write(`250-${'line '.repeat(10)}${line}\r\n`);
  await peer.say('250 at last');
};
/** Until the peer leaves. */
const endless =
  (octets: string): RawAction =>
  async (peer) => {
    for (;;) await peer.write(octets);
  };
const tls =
  (then: RawAction): RawAction =>
  async (peer) => {
    await peer.say('220 go on');
    await peer.secure(certificate);
    await then(peer);
  };

interface Fault extends PoliteOptions {
  /** What TransientFailure says. */
  says: RegExp;
  /** Further options of the path, as Lua. */
  path?: string;
  /** How often the peer was given the whole message. Default never. */
  bodies?: number;
}

const STEPS = ['CONNECT', 'EHLO', 'MAIL', 'RCPT', 'DATA', '.'];
const each = (what: string, fault: (step: string) => Fault, steps = STEPS): [string, Fault][] =>
  steps.map((step) => {
    const made = fault(step);
    return [`${what} at ${step}`, step === '.' ? { bodies: MESSAGES, ...made } : made];
  });

const lost = /failed to (connect|send message)/;
const late = /Timed Out waiting/;
const requireTls = "enable_tls = 'RequiredInsecure'";
const atTls = (action: RawAction, says: RegExp): Fault => ({
  at: { STARTTLS: action },
  offers: ['STARTTLS'],
  path: requireTls,
  says,
});

const FAULTS: [string, Fault][] = [
  ...each('421', (step) => ({ at: { [step]: say('421 4.3.2 shutting down') }, says: /shutting down/ })),
  ...each('421 and the end', (step) => ({
    at: { [step]: inTurn(say('421 4.3.2 shutting down'), close) },
    says: /shutting down/,
  })),
  ...each('a reset', (step) => ({ at: { [step]: reset }, says: lost })),
  ...each('the end', (step) => ({ at: { [step]: close }, says: lost })),
  ...each('silence', (step) => ({ at: { [step]: hang }, says: late })),
  ...each('one octet a second', (step) => ({ at: { [step]: drip }, says: late })),
  ...each('10,000 lines', (step) => ({ at: { [step]: manyLines }, says: /reply too long/ })),
  ...each('a line without end', (step) => ({
    at: { [step]: endless('2'.repeat(50_000)) },
    says: /line too long/,
  })),
  ...each('code 999', (step) => ({ at: { [step]: say('999 what') }, says: /not an SMTP reply/ })),
  ...each('code 099', (step) => ({ at: { [step]: say('099 what') }, says: /not an SMTP reply/ })),
  ...each('another code in the second line', (step) => ({
    at: { [step]: say('250-one', '550 two') },
    says: /reply code changes/,
  })),
  ...each('a reset, pipelined', (step) => ({ at: { [step]: reset }, offers: ['PIPELINING'], says: lost }), [
    'MAIL',
    'RCPT',
    'DATA',
    '.',
  ]),
  ['garbage for a banner', { at: { CONNECT: say('\0\x01\xff\xfe SSH-2.0') }, says: /not an SMTP reply/ }],
  [
    'a banner of HTTP',
    { at: { CONNECT: say('HTTP/1.1 400 Bad Request', '', '') }, says: /not an SMTP reply/ },
  ],
  ['replies nobody asked for', { at: { CONNECT: endless('220 hello\r\n'.repeat(1000)) }, says: lost }],
  ['a reset amid the body', { at: { BODY: inTurn(something, reset) }, says: lost }],
  ['the end amid the body', { at: { BODY: inTurn(something, close) }, says: lost }],
  ['200 to DATA', { at: { DATA: say('200 what') }, says: /unexpected reply 200/ }],
  ['the end after STARTTLS', atTls(close, /STARTTLS/)],
  ['a reset after STARTTLS', atTls(reset, /STARTTLS/)],
  ['the end before the handshake', atTls(inTurn(say('220 go on'), close), /STARTTLS/)],
  ['a reset amid the handshake', atTls(inTurn(say('220 go on'), something, reset), /STARTTLS/)],
  ['silence instead of the handshake', atTls(inTurn(say('220 go on'), hang), /STARTTLS.*Timed Out/)],
  [
    'plain text instead of the handshake',
    atTls(say('220 go on', '250 injected'), /sent more than its reply/),
  ],
  ['the end of TLS before EHLO', atTls(tls(close), /EHLO/)],
  [
    'the end of TLS, then plain text',
    atTls(async (peer) => {
      await peer.say('220 go on');
      const plain = await peer.secure(certificate);
      await peer.line();
      peer.close();
      plain.write('250 plain\r\n');
      await peer.closed();
    }, /EHLO/),
  ],
];

const domainOf = (index: number): string => `f${index}.test`;
const peers: RawServer[] = [];
let server: Moonpost;
let before: number;
let after: number;
let records: readonly LogRecord[];

beforeAll(async () => {
  for (const [, fault] of FAULTS) peers.push(await RawServer.start(polite(fault)));
  const rows = FAULTS.map(([, { path = '', says }], index) => {
    // Where the wait is not the fault, a busy machine has all the time it needs.
    const wait = says.source.includes('Timed Out') ? 5 : 60;
    return `['${domainOf(index)}'] = { port = ${peers[index]!.port}, wait = ${wait}, path = { ${path} } },`;
  });
  const timeouts = [
    'connect',
    'banner',
    'ehlo',
    'starttls',
    'mail_from',
    'rcpt_to',
    'data',
    'data_dot',
    'rset',
  ];
  const policy = `${initLua()}
local FAULTS = {
${rows.join('\n')}
}
kumo.on('get_queue_config', function(domain)
  return kumo.make_queue_config {
    retry_interval = '1h',
    protocol = { smtp = { mx_list = { { name = 'mx.' .. domain, addr = '127.0.0.1:' .. FAULTS[domain].port } } } },
  }
end)
kumo.on('get_egress_path_config', function(domain)
  local path = { prohibited_hosts = {}, connection_limit = 1, enable_tls = 'Disabled' }
  for _, name in ipairs { ${timeouts.map((name) => `'${name}'`).join(', ')} } do
    path[name .. '_timeout'] = FAULTS[domain].wait
  end
  for name, value in pairs(FAULTS[domain].path) do path[name] = value end
  return kumo.make_egress_path(path)
end)
`;
  server = await Moonpost.start({ policy });
  before = server.residentMemory();
  for (let message = 0; message < MESSAGES; message++) {
    for (const index of FAULTS.keys()) {
      expect(await sendOne(server.smtp, `rcpt@${domainOf(index)}`)).toMatch(/^250/);
    }
  }
  const wanted = FAULTS.length * MESSAGES;
  records = await server.untilCounts({ Reception: wanted, TransientFailure: wanted }, 180_000);
  after = server.residentMemory();
});

afterAll(async () => {
  RawServer.stopAll();
  await Moonpost.disposeAll();
});

describe('a fault of the peer', () => {
  test.each(FAULTS.map(([name, fault], index) => [name, fault, index] as const))(
    '%s',
    async (_, fault, index) => {
      const own = records.filter(({ recipient }) => recipient === `rcpt@${domainOf(index)}`);
      const failures = own.filter(({ type }) => type === 'TransientFailure');
      expect(own.filter(({ type }) => type !== 'Reception' && type !== 'TransientFailure')).toEqual([]);
      // One attempt for each message.
      expect(new Set(failures.map(({ id }) => id)).size).toBe(MESSAGES);
      expect(failures.map(({ num_attempts }) => num_attempts)).toEqual(new Array(MESSAGES).fill(0));
      for (const { response } of failures) {
        expect(response.content).toMatch(fault.says);
        expect(Math.trunc(response.code / 100)).toBe(4);
      }
      const peer = peers[index]!;
      expect(peer.bodies).toHaveLength(fault.bodies ?? 0);
      // At most one connection for each. There is one slot, so the second message had it after the first.
      expect(peer.connections).toBeLessThanOrEqual(MESSAGES);
      await eventually(() => (peer.openNow === 0 ? true : undefined), {
        what: () => `${peer.openNow} are open`,
      });
    },
  );
});

test('every message is kept, and every connection has ended', async () => {
  await eventually(
    async () => {
      const answer = await fetch(`http://127.0.0.1:${server.http}/metrics.json`);
      const metrics = (await answer.json()) as {
        message_count: { value: number };
        connection_count: { value: { service: Record<string, number> } };
      };
      const open = metrics.connection_count.value.service.smtp_client;
      return metrics.message_count.value === FAULTS.length * MESSAGES && open === 0 ? true : undefined;
    },
    { what: () => 'messages are missing, or connections are open' },
  );
  expect(server.counts()).toEqual({
    Reception: FAULTS.length * MESSAGES,
    TransientFailure: FAULTS.length * MESSAGES,
  });
});

test('what peers pour in is not kept', () => {
  expect(after - before).toBeLessThan(250 * 2 ** 20);
});
