import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { type Issued, issue } from '../kit/certificates.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

/** A real server and real receivers with STARTTLS, over zones and policies of a test. */

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

interface Receiver {
  port: number;
  /** Recipients, and whether they came over TLS. */
  got: Map<string, boolean>;
}

const receivers: SMTPServer[] = [];

/** The receiver of the smtp-server package; without an identity it does not offer STARTTLS. */
async function receive(identity?: Issued): Promise<Receiver> {
  const got = new Map<string, boolean>();
  const server = new SMTPServer({
    ...(identity && { key: identity.key, cert: identity.cert }),
    authOptional: true,
    disabledCommands: identity === undefined ? ['AUTH', 'STARTTLS'] : ['AUTH'],
    onData(stream, session, done) {
      stream.resume();
      stream.on('end', () => {
        for (const { address } of session.envelope.rcptTo) got.set(address, session.secure);
        done();
      });
    },
  });
  server.on('error', () => {});
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  receivers.push(server);
  return { port: (listening.address() as AddressInfo).port, got };
}

const spkiHash = ({ cert }: Issued): string =>
  createHash('sha256')
    .update(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');

let server: Moonpost;
let policy: string;
let env: Record<string, string>;
let proved: Receiver;
let own: Receiver;
let plain: Receiver;
let records: readonly LogRecord[];

/** Domains whose mail stays, with what its record says. */
const kept: Record<string, RegExp> = {
  'no-tls.example': /STARTTLS/,
  'wrong-name.example': /altname|not (?:for|valid)|certificate/i,
  'self-signed.example': /certificate/i,
  'no-host.example': /the MTA-STS policy of no-host\.example allows none of its MX/,
  'mismatch.example': /TLSA/,
  'dane-no-tls.example': /STARTTLS/,
  'unknown.example': /TLSA/,
};
/** Domains whose mail arrives, and whether over TLS. */
const delivered: Record<string, boolean> = {
  'enforce.example': true,
  'testing.example': false,
  'free.example': false,
  'match.example': true,
  'unsigned.example': true,
};
const domains = [...Object.keys(kept), ...Object.keys(delivered)];

beforeAll(async () => {
  const root = await issue({ name: 'Test Root', isAuthority: true });
  const mx = await issue({ name: 'mx.enforce.example', by: root });
  const unknown = await issue({ name: 'somewhere.example' });
  [proved, own, plain] = await Promise.all([receive(mx), receive(unknown), receive()]);
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-dane-'));
  writeFileSync(join(directory, 'root.pem'), root.cert);
  env = { SSL_CERT_FILE: join(directory, 'root.pem') };
  const right = spkiHash(unknown);
  const wrong = '00'.repeat(32);
  const ports: Record<string, number> = {
    'enforce.example': proved.port,
    'wrong-name.example': proved.port,
    'self-signed.example': own.port,
    'match.example': own.port,
    'mismatch.example': own.port,
    'unknown.example': own.port,
    'unsigned.example': proved.port,
  };
  const mta = (mode: string, host: string) =>
    `'version: STSv1\\nmode: ${mode}\\nmx: ${host}\\nmax_age: 86400\\n'`;
  policy = `${initLua()}
local ports = { ${Object.entries(ports)
    .map(([domain, port]) => `['${domain}'] = ${port}`)
    .join(', ')} }
kumo.on('pre_init', function()
  kumo.dns.configure_test_resolver {
    zones = {
      [[
${domains
  .filter((domain) => !/match|dane|unknown/.test(domain))
  .map((domain) => `${domain}. MX 10 mx.${domain}.\nmx.${domain}. A 127.0.0.1\n`)
  .join('')}
wrong-name.example. MX 5 mx.wrong-name.example.
]],
      { secure = true, zone = [[
match.example. MX 10 mx.match.example.
mx.match.example. A 127.0.0.1
_${own.port}._tcp.mx.match.example. TLSA 3 1 1 ${right}
mismatch.example. MX 10 mx.mismatch.example.
mx.mismatch.example. A 127.0.0.1
_${own.port}._tcp.mx.mismatch.example. TLSA 3 1 1 ${wrong}
dane-no-tls.example. MX 10 mx.dane-no-tls.example.
mx.dane-no-tls.example. A 127.0.0.1
_${plain.port}._tcp.mx.dane-no-tls.example. TLSA 3 1 1 ${right}
unknown.example. MX 10 mx.unknown.example.
mx.unknown.example. A 127.0.0.1
]] },
      '_${proved.port}._tcp.mx.unsigned.example. TLSA 3 1 1 ${wrong}\\n',
    },
    servfail = { '_${own.port}._tcp.mx.unknown.example' },
  }
  kumo.dns.configure_test_mta_sts {
    ['enforce.example'] = ${mta('enforce', '*.enforce.example')},
    ['no-tls.example'] = ${mta('enforce', 'mx.no-tls.example')},
    ['wrong-name.example'] = ${mta('enforce', 'mx.wrong-name.example')},
    ['self-signed.example'] = ${mta('enforce', 'mx.self-signed.example')},
    ['no-host.example'] = ${mta('enforce', 'mx.elsewhere.example')},
    ['testing.example'] = ${mta('testing', 'mx.testing.example')},
    ['match.example'] = ${mta('enforce', 'mx.match.example')},
  }
end)
kumo.on('get_queue_config', function(domain)
  return kumo.make_queue_config { retry_interval = '1h' }
end)
kumo.on('get_egress_path_config', function(domain)
  return kumo.make_egress_path {
    prohibited_hosts = {},
    smtp_port = ports[domain] or ${plain.port},
    enable_dane = true,
    -- What MTA-STS says of a mode that is stricter, and of one that is not.
    enable_tls = domain == 'testing.example' and 'Required' or 'OpportunisticInsecure',
  }
end)
`;
  server = await Moonpost.start({ policy, env, shards: 2 });
  for (const domain of domains) await sendOne(server.smtp, `a@${domain}`);
  records = await server.until(
    (all) => all.filter(({ type }) => type !== 'Reception').length >= domains.length,
  );
});

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  await Promise.all(receivers.map((one) => new Promise<void>((resolve) => one.close(() => resolve()))));
});

const recordOf = (domain: string): LogRecord =>
  records.find(({ type, recipient }) => type !== 'Reception' && recipient === `a@${domain}`)!;
const wayOf = (domain: string): boolean | undefined =>
  [proved, own, plain].map(({ got }) => got.get(`a@${domain}`)).find((secure) => secure !== undefined);

describe('MTA-STS and DANE', () => {
  test.each(Object.entries(delivered))('mail for %s arrives, over TLS: %s', (domain, isOverTls) => {
    expect(recordOf(domain)).toMatchObject({ type: 'Delivery', response: { code: 250 } });
    expect(wayOf(domain)).toBe(isOverTls);
    expect(recordOf(domain).tls_cipher !== undefined).toBe(isOverTls);
  });

  test.each(Object.entries(kept))('mail for %s waits', (domain, why) => {
    const { type, response } = recordOf(domain);
    expect([type, response.content]).toEqual(['TransientFailure', expect.stringMatching(why)]);
    expect(response.code).toBeLessThan(500);
    expect(wayOf(domain)).toBeUndefined();
  });

  test('records say of which receivers DNSSEC proved the address', () => {
    const isSecure = (domain: string) => recordOf(domain).peer_address!.is_secure;
    expect(isSecure('match.example')).toBe(true);
    expect(recordOf('enforce.example').peer_address).not.toHaveProperty('is_secure');
  });

  test('look-ups of TLSA are counted by how they ended', async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
    const count = (result: string): number =>
      Number(new RegExp(`^dane_result_count\\{result="${result}"\\} (\\d+)`, 'm').exec(metrics)?.[1] ?? 0);
    expect(count('ok')).toBeGreaterThanOrEqual(3);
    expect(count('tempfail')).toBeGreaterThanOrEqual(1);
    expect(count('unusable')).toBe(0);
  });

  test('look-ups of MX are counted', async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${server.http}/metrics`)).text();
    const value = (name: string): number =>
      Number(new RegExp(`^dns_mx_resolve_${name} (\\d+)`, 'm').exec(metrics)?.[1]);
    // The zones of a test are always at hand.
    expect(value('cache_hit')).toBeGreaterThanOrEqual(domains.length);
    for (const name of ['cache_miss', 'in_progress', 'status_ok', 'status_fail']) expect(value(name)).toBe(0);
  });

  test('what waits is still there after a restart', async () => {
    expect(server.counts()).toEqual({
      Reception: domains.length,
      Delivery: Object.keys(delivered).length,
      TransientFailure: Object.keys(kept).length,
    });
    expect(await server.stop()).toBe(0);
    const again = await Moonpost.start({ policy, env, shards: 2, directory: server.directory });
    const loaded = [...again.errors.matchAll(/spooled in (\d+) msgs/g)].map(([, count]) => Number(count));
    expect(loaded.reduce((sum, count) => sum + count, 0)).toBe(Object.keys(kept).length);
  });
});

test('enable_dane without a resolver that can be trusted is warned of once', async () => {
  const drop = await MailDrop.start();
  const untrusted = `
kumo.on('pre_init', function()
  kumo.dns.configure_resolver { name_servers = { '192.0.2.53:53' } }
end)
${relayLua(drop.port, { path: 'enable_dane = true, max_deliveries_per_connection = 1' })}`;
  const plainServer = await Moonpost.start({ policy: initLua() + untrusted, shards: 2 });
  for (let n = 0; n < 6; n++) await sendOne(plainServer.smtp);
  await drop.until(6);
  await plainServer.stop();
  expect(plainServer.errors.match(/enable_dane has no effect: .* set trust_ad/g)).toHaveLength(1);
});

test('a policy of before the start holds on, whatever DNS says of it now', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-'));
  const now = Date.now();
  const line = {
    domain: 'kept.example',
    id: '1',
    policy: 'version: STSv1\nmode: enforce\nmx: mx.elsewhere.example\nmax_age: 86400\n',
    fetched: now - 1000,
    expires: now + 86_400_000,
  };
  mkdirSync(join(directory, 'spool/meta'), { recursive: true });
  // Of a shard that is there no more.
  writeFileSync(join(directory, 'spool/meta/mta-sts-7.jsonl'), `${JSON.stringify(line)}\n`);
  const zones = `
kumo.on('pre_init', function()
  kumo.dns.configure_test_resolver { zones = { [[
kept.example. MX 10 mx.kept.example.
mx.kept.example. A 127.0.0.1
]] } }
end)`;
  const keeping = await Moonpost.start({ directory, policy: initLua() + zones });
  await sendOne(keeping.smtp, 'a@kept.example');
  const [record] = (await keeping.untilCounts({ TransientFailure: 1 })).filter(
    ({ type }) => type === 'TransientFailure',
  );
  expect(record!.response.content).toMatch(/the MTA-STS policy of kept\.example allows none of its MX/);
  expect(await keeping.stop()).toBe(0);
});
