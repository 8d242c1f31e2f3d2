/**
 * What administrators ask of a server with very many queues, and mail meanwhile: `node test/bench/admin.bench.ts
 * [queues] [seconds] [shards]`, by default 100,000 queues, 5 seconds a round and 2 shards. Wants a quiet machine.
 */
import { Moonpost } from '../kit/moonpost.ts';
import { everyNow, type Latencies, serverWithQueues, shown, transactions } from './many-queues.ts';

/** The goals: ms of a call, and p99 of mail during calls by that without. */
const CALL = 300;
const MAIL = 1.2;

const [queues = 100_000, seconds = 5, shards = 2] = process.argv.slice(2).map(Number);

const server = await serverWithQueues(queues, shards);
const base = `http://127.0.0.1:${server.http}`;

async function ask(method: string, path: string, body?: unknown): Promise<string> {
  const response = await fetch(base + path, {
    method,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text;
}

/** Puts a rule in force and lifts it. */
async function putAndLift(path: string, rule: object): Promise<void> {
  const { id } = JSON.parse(await ask('POST', path, rule)) as { id: string };
  await ask('DELETE', path, { id });
}

/** What `moonpost top` and `queue-summary` ask at a time. */
const TOP = [
  '/metrics.json?names=connection_count,memory_usage,message_count,ready_count,scheduled_count,scheduled_count_total,smtp_server_rejections,total_messages_delivered,total_messages_fail,total_messages_received,total_messages_transfail',
  '/api/admin/suspend/v1',
  '/api/admin/bounce/v1',
  '/api/admin/suspend-ready-q/v1',
  '/api/admin/ready-q-states/v1',
  '/api/admin/policy-status/v1',
];

const reason = 'bench';
const duration = '1 minute';
const calls: [name: string, work: () => Promise<unknown>][] = [
  ['bounce-list', () => ask('GET', '/api/admin/bounce/v1')],
  ['suspend-list', () => ask('GET', '/api/admin/suspend/v1')],
  [
    'suspend, by domain',
    () => putAndLift('/api/admin/suspend/v1', { domain: 'domain7.example', reason, duration }),
  ],
  ['suspend, everything', () => putAndLift('/api/admin/suspend/v1', { reason, duration })],
  [
    'bounce, nothing there',
    () => putAndLift('/api/admin/bounce/v1', { domain: 'none.example', reason, duration }),
  ],
  [
    'bounce, by tenant, dry run',
    () => ask('POST', '/api/admin/bounce/v1', { tenant: 'tenant4', reason, duration, dry_run: true }),
  ],
  ['inspect-sched-q', () => ask('GET', '/api/admin/inspect-sched-q/v1?queue_name=tenant4@domain7.example')],
  ['top, queue-summary', () => Promise.all(TOP.map((path) => ask('GET', path)))],
];

await transactions(server.smtp, 2);
let worst: Latencies | undefined;
let isSlow = false;
for (const [name, work] of calls) {
  const quiet = await transactions(server.smtp, seconds);
  const asking = everyNow(500, async () => void (await work()));
  const busy = await transactions(server.smtp, seconds);
  const took = (await asking.stop()).sort((a, b) => a - b);
  const most = took.at(-1)!;
  const ratio = busy.p99 / quiet.p99;
  isSlow ||= most > CALL || ratio > MAIL;
  if (worst === undefined || busy.p99 > worst.p99) worst = busy;
  const times = `${took.length} calls, p50 ${took[took.length >> 1]!.toFixed(0)} ms, at most ${most.toFixed(0)} ms (goal ${CALL})`;
  console.log(
    `${name}: ${times}; mail p99 ${quiet.p99.toFixed(2)} -> ${busy.p99.toFixed(2)} ms, x${ratio.toFixed(2)} (goal ${MAIL})`,
  );
}
console.log(`${isSlow ? 'NOT ' : ''}within the goals; the worst of the mail: ${shown(worst!)}`);
await server.stop();
await Moonpost.disposeAll();
