import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { type Sink, type SinkMessage, startSink } from '../../src/cli/sink.ts';
import { Moonpost } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 90_000 });
const EXAMPLES = resolve(import.meta.dirname, '../../examples');
const FREE_PORTS: readonly [string, string][] = [
  ["'127.0.0.1:2525'", "'127.0.0.1:0'"],
  ["'127.0.0.1:8000'", "'127.0.0.1:0'"],
];
const sinks: Sink[] = [];

afterEach(async () => {
  await Moonpost.disposeAll();
  for (const sink of sinks.splice(0)) await sink.stop();
});

/** Replaces texts that must each be there exactly once. */
function withReplacements(policy: string, replacements: readonly [string, string][]): string {
  let text = policy;
  for (const [from, to] of replacements) {
    expect(text.split(from), from).toHaveLength(2);
    text = text.replace(from, to);
  }
  return text;
}

/** Starts an example as it is, but for its ports and the directory of its log. */
async function startExample(name: string): Promise<{ server: Moonpost; received: SinkMessage[] }> {
  const received: SinkMessage[] = [];
  const sink = await startSink({
    listen: ['127.0.0.1:0'],
    onMessage: (message) => void received.push(message),
  });
  sinks.push(sink);
  const policy = withReplacements(readFileSync(join(EXAMPLES, name, 'init.lua'), 'utf8'), [
    ...FREE_PORTS,
    ["addr = '127.0.0.1:2526'", `addr = '127.0.0.1:${sink.addresses[0]!.port}'`],
    [`./var/${name}/log`, 'DIR/log'],
  ]);
  return { server: await Moonpost.start({ policy }), received };
}

test('relay-to-mx-list hands mail for any domain to the host that it names', async () => {
  const { server, received } = await startExample('relay-to-mx-list');
  await sendOne(server.smtp, ['joe@one.example', 'ann@two.example'], 'Subject: hello\r\n\r\nbody');
  const records = await server.untilCounts({ Delivery: 2 });
  expect(await server.stop()).toBe(0);
  expect(server.counts()).toEqual({ Reception: 2, Delivery: 2 });
  expect(received.map(({ recipients }) => recipients.join()).sort()).toEqual([
    'ann@two.example',
    'joe@one.example',
  ]);
  const deliveries = records.filter(({ type }) => type === 'Delivery');
  expect(deliveries.map(({ queue }) => queue).sort()).toEqual(['one.example', 'two.example']);
  expect(new Set(deliveries.map(({ site }) => site)).size).toBe(1);
  for (const { peer_address } of deliveries) expect(peer_address!.name).toBe('relay.example.com');
});

test('tenants-and-queues sorts mail by tenant and campaign and refuses who is no tenant', async () => {
  const { server, received } = await startExample('tenants-and-queues');
  const content = 'X-Tenant: bolt\r\nX-Campaign: spring\r\nSubject: hello\r\n\r\nbody';
  await sendOne(server.smtp, 'joe@one.example', content);
  const refusal = await sendOne(server.smtp, 'joe@one.example', 'X-Tenant: nobody\r\n\r\nbody');
  expect(refusal).toBe('550 5.7.1 unknown tenant nobody');
  const records = await server.untilCounts({ Delivery: 1, Rejection: 1 });
  expect(await server.stop()).toBe(0);
  expect(server.counts()).toEqual({ Reception: 1, Delivery: 1, Rejection: 1 });
  expect(records.find(({ type }) => type === 'Delivery')).toMatchObject({
    queue: 'spring:bolt@one.example',
    egress_pool: 'shared',
    egress_source: 'out3',
    meta: { tenant: 'bolt', campaign: 'spring' },
  });
  const [message] = received;
  expect(message!.body.toString()).toContain('Subject: hello');
  expect(message!.body.toString()).not.toMatch(/^X-(Tenant|Campaign)/m);
});

test('the first policy of the README does what the README says', async () => {
  const readme = readFileSync(resolve(EXAMPLES, '../README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```lua\n([\s\S]*?)^```$/gm)];
  // The second one is of data files, which the example of that name has.
  expect(blocks.map(([, block]) => block!.includes('policy-extras'))).toEqual([false, true]);
  const policy = withReplacements(blocks[0]![1]!, [...FREE_PORTS, ['./var/log', 'DIR/log']]);
  const server = await Moonpost.start({ policy });
  expect(await sendOne(server.smtp, 'joe@forbidden.example')).toBe('550 5.7.1 we do not send there');
  await sendOne(server.smtp, 'joe@one.example', 'List-Id: <news.example>\r\n\r\nbody');
  const records = await server.untilCounts({ Delivery: 1 });
  expect(await server.stop()).toBe(0);
  const delivery = records.find(({ type }) => type === 'Delivery')!;
  expect(delivery.queue).toBe('newsletter:@one.example');
  expect(readdirSync(join(server.directory, 'var/mail/one.example/joe/new'))).toHaveLength(1);
});

test('every example has a line in the README of the folder, and a test', () => {
  const readme = readFileSync(join(EXAMPLES, 'README.md'), 'utf8');
  const self = readFileSync(import.meta.filename, 'utf8');
  const names = readdirSync(EXAMPLES).filter((name) => statSync(join(EXAMPLES, name)).isDirectory());
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) {
    const isPolicy = existsSync(join(EXAMPLES, name, 'init.lua'));
    expect(readme).toContain(isPolicy ? `](${name}/init.lua)` : `](${name}/`);
    // What is no policy is tested where what it speaks of is: the dashboard beside the metrics.
    if (!isPolicy) continue;
    const itsOwn = existsSync(join(import.meta.dirname, `${name}.test.ts`));
    expect(itsOwn || self.includes(`startExample('${name}')`), name).toBe(true);
  }
});
