/**
 * `npm run bench`: the whole relay beside a private Postfix, on this machine and in one run, then every
 * test/bench/*.bench.ts that is quick. The scripts that drive smtp-source, smtp-sink and Postfix are in ../shared/bench, or
 * where MOONPOST_BENCH_DIR says. Needs root (Postfix does) and the Debian package postfix. Exit code 1 when
 * something could not be measured; whether the goals hold is printed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { requireCommand } from '../kit/peer.ts';
import { freePort } from '../peers/postfix-tools.ts';

const root = resolve(import.meta.dirname, '../..');
const scripts = resolve(root, process.env.MOONPOST_BENCH_DIR ?? '../shared/bench');
const ROUNDS = 2;
const SIZE = 10 * 1024;
const SESSIONS = 20;
/** The goals: end-to-end rate and CPU per message, as parts of Postfix's. */
const GOALS = { rate: 3, cpu: 1 / 4 };

interface Measured {
  label: string;
  count: number;
  e2e_per_s: number;
  cpu_s_per_1000: number;
  rss_peak_kb: number;
  load1_before: number;
  ok: boolean;
}

/** What is missing for the comparison, with how to get it. */
function missing(): string[] {
  const lacks: string[] = [];
  for (const name of ['relay-bench.sh', 'start-postfix.sh', 'stop-postfix.sh']) {
    if (!existsSync(join(scripts, name)))
      lacks.push(`${join(scripts, name)} (set MOONPOST_BENCH_DIR to where it is)`);
  }
  for (const name of ['postfix', 'smtp-source', 'smtp-sink']) {
    try {
      requireCommand(name, 'apt-get install postfix');
    } catch (error) {
      lacks.push((error as Error).message);
    }
  }
  if (process.geteuid?.() !== 0) lacks.push('root, which starting Postfix takes');
  return lacks;
}

function script(name: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('bash', [join(scripts, name), ...args], {
    encoding: 'utf8',
    timeout: 180_000,
  });
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}${stdout}`);
  return stdout.trim();
}

function measure(
  label: string,
  ports: { inject: number; sink: number },
  pid: number,
  count: number,
): Measured {
  const load = ['-l', SIZE, '-n', count, '-s', SESSIONS, '-d', '-w', Math.round(count / 5)];
  const args = ['-p', ports.inject, '-k', ports.sink, ...load, '-P', pid, '-T', 120, '-L', label];
  return JSON.parse(script('relay-bench.sh', args.map(String))) as Measured;
}

async function measurePostfix(sink: number): Promise<Measured> {
  const inject = await freePort();
  const [directory, pid] = script('start-postfix.sh', [String(inject), String(sink)]).split(' ');
  try {
    return measure('Postfix', { inject, sink }, Number(pid), 5000);
  } finally {
    script('stop-postfix.sh', [directory!, '--purge']);
  }
}

async function measureMoonpost(sink: number, shards: number): Promise<Measured> {
  const policy = `${initLua()}${relayLua(sink)}
kumo.on('smtp_server_message_received', function(msg) msg:set_meta('tenant', 'bench') end)`;
  const server = await Moonpost.start({ policy, shards });
  try {
    const label = `Moonpost, ${shards} shard${shards === 1 ? '' : 's'}`;
    return measure(label, { inject: server.smtp, sink }, server.pid, 20_000);
  } finally {
    await server.stop();
    await server.dispose();
  }
}

async function compare(): Promise<void> {
  const rounds: Measured[][] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const sink = await freePort();
    const measured = [
      await measurePostfix(sink),
      await measureMoonpost(sink, 1),
      await measureMoonpost(sink, 2),
    ];
    rounds.push(measured);
    const rates = measured.map(({ label, e2e_per_s }) => `${label} ${Math.round(e2e_per_s)}/s`).join(', ');
    process.stdout.write(`round ${round} of ${ROUNDS}: ${rates}\n`);
  }
  report(rounds);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function report(rounds: readonly Measured[][]): void {
  const rows = rounds[0]!.map((first, index) => {
    const all = rounds.map((round) => round[index]!);
    return {
      label: first.label,
      rate: mean(all.map(({ e2e_per_s }) => e2e_per_s)),
      cpu: mean(all.map(({ cpu_s_per_1000 }) => cpu_s_per_1000 * 1000)),
      memory: Math.max(...all.map(({ rss_peak_kb }) => rss_peak_kb / 1024)),
    };
  });
  const [postfix, ...ours] = rows;
  const columns = ['', 'end to end /s', 'x Postfix', 'CPU us/message', '/ Postfix', 'RSS peak MB'];
  const lines = rows.map(({ label, rate, cpu, memory }) => [
    label,
    rate.toFixed(0),
    (rate / postfix!.rate).toFixed(2),
    cpu.toFixed(0),
    (cpu / postfix!.cpu).toFixed(3),
    memory.toFixed(0),
  ]);
  const all = [columns, ...lines];
  const widths = columns.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  process.stdout.write(
    `\n${SIZE} octets, ${SESSIONS} sessions, connections kept, mean of ${ROUNDS} rounds\n`,
  );
  for (const line of all) {
    const cells = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!),
    );
    process.stdout.write(`${cells.join('  ')}\n`);
  }
  for (const { label, rate, cpu } of ours) {
    const verdict = (holds: boolean): string => (holds ? 'holds' : 'DOES NOT HOLD');
    const [times, part] = [rate / postfix!.rate, cpu / postfix!.cpu];
    process.stdout.write(
      `goal, ${label}: end to end >= ${GOALS.rate}x Postfix ${verdict(times >= GOALS.rate)} (${times.toFixed(2)}x); ` +
        `CPU per message <= ${GOALS.cpu} of Postfix ${verdict(part <= GOALS.cpu)} (${part.toFixed(3)})\n`,
    );
  }
}

/** Those that take minutes are run by themselves. */
const LONG = new Map([
  ['dkim.bench.ts', 'RSA on both cores, beside mailauth'],
  ['admin.bench.ts', 'what administrators ask of 100,000 queues, and mail meanwhile'],
  ['connections.bench.ts', '5,000 connections at a time'],
  ['injection.bench.ts', 'messages over HTTP beside SMTP'],
  ['metrics-mail.bench.ts', 'mail while the metrics of 100,000 queues are read'],
  ['outbound.bench.ts', '100,000 messages to 50 receivers with faults of their own'],
  ['rate.bench.ts', 'rates held over a minute'],
  ['scale.bench.ts', 'a million queued messages'],
  ['webhook.bench.ts', 'a receiver of log records that is slow or away'],
]);

function runSmall(): boolean {
  let isGood = true;
  for (const name of readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.bench.ts'))
    .sort()) {
    const long = LONG.get(name);
    if (long !== undefined) {
      process.stdout.write(`\n${name}: not run here; for ${long}, run node test/bench/${name}\n`);
      continue;
    }
    process.stdout.write(`\n${name}\n`);
    const { status } = spawnSync(process.execPath, [join(import.meta.dirname, name)], {
      stdio: 'inherit',
      timeout: 60_000,
    });
    if (status !== 0) process.stdout.write(`${name} failed with ${status}\n`);
    isGood = isGood && status === 0;
  }
  return isGood;
}

process.stdout.write(
  `load before: ${loadavg()
    .map((load) => load.toFixed(2))
    .join(' ')}\n`,
);
const lacks = missing();
try {
  if (lacks.length === 0) await compare();
  else {
    process.stdout.write(
      `the comparison with Postfix was not measured; missing:\n${lacks.map((lack) => `  ${lack}\n`).join('')}`,
    );
    process.exitCode = 1;
  }
} catch (error) {
  process.stdout.write(`the comparison with Postfix failed: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await Moonpost.disposeAll();
}
if (!runSmall()) process.exitCode = 1;
