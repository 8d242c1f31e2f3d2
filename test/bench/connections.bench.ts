/**
 * 5,000 connections to receivers at a time: whether they come about, what each costs in memory, what they cost the processor
 * while they have nothing to do, and whether all the mail arrives, each message once. 100 sites, connection_limit 50;
 * the figures are beside those of the same mail over 1 connection for each site. Both the server and the receiving
 * process need a descriptor for each connection: where `ulimit -Hn` says less than the connections and 500, this says so
 * and ends. Run: node test/bench/connections.bench.ts [CONNECTIONS] [SHARDS]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';
import type { SinkOrder, SinkReport } from './connections-sink.ts';

const SITES = 100;
const connections = Number(process.argv[2] ?? 5000);
const shards = Number(process.argv[3] ?? 2);
const perSite = Math.ceil(connections / SITES);
/** So many messages for each site that it gets all the connections it may have (delivery.md section 7). */
const messages = SITES * (perSite + Math.ceil((1.3 * Math.log(perSite + 1)) / 0.023) + 20);
/** Idle time that is measured, ms; of the memory the least reading counts, for garbage comes and goes. */
const IDLE = 45_000;
/** Between the last message and the measurement, ms. */
const SETTLE = 5000;
/** Descriptors for everything but these connections. */
const OTHER_FILES = 500;

interface Figures {
  peak: number;
  idle: number;
  rssAnon: number;
  /** Processor time of the whole server per second, ms. */
  idleCpu: number;
  opening: number;
  draining: number;
}

const policy = (port: number, limit: number): string => `${initLua()}
kumo.on('get_queue_config', function(domain)
  return kumo.make_queue_config {
    protocol = { smtp = { mx_list = { '[127.0.1.' .. domain:match('%d+') .. ']:${port}' } } },
  }
end)
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path {
    prohibited_hosts = {},
    connection_limit = ${limit},
    max_ready = 10000,
    idle_timeout = '10 minutes',
    enable_tls = 'Disabled',
  }
end)`;

/** The receiving process. */
class Sink {
  readonly #child: ChildProcess;
  last!: SinkReport;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (report: SinkReport) => {
      this.last = report;
    });
  }

  static async start(): Promise<Sink> {
    const sink = new Sink(fork(new URL('./connections-sink.ts', import.meta.url)));
    await once(sink.#child, 'message');
    return sink;
  }

  async ask(): Promise<SinkReport> {
    this.tell('report');
    await once(this.#child, 'message');
    return this.last;
  }

  tell(order: SinkOrder): void {
    this.#child.send(order);
  }

  until(condition: (report: SinkReport) => boolean): Promise<true> {
    const look = async (): Promise<true | undefined> => (condition(await this.ask()) ? true : undefined);
    return eventually(look, { patience: 240_000, what: () => JSON.stringify(this.last) });
  }

  async stop(): Promise<void> {
    this.#child.disconnect();
    await once(this.#child, 'exit');
  }
}

/** Processor time of a process so far, ms. */
function cpuTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const pause = (duration: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, duration));

async function measure(limit: number): Promise<Figures> {
  const sink = await Sink.start();
  const server = await Moonpost.start({ policy: policy(sink.last.port, limit), shards });
  const start = performance.now();
  const { accepted } = await inject(server.smtp, {
    count: messages,
    size: 500,
    sessions: 16,
    recipient: (number) => `b@site-${(number % SITES) + 1}.example`,
  });
  if (accepted.size !== messages) throw new Error(`${accepted.size} of ${messages} messages were accepted`);
  await sink.until(({ open }) => open >= limit * SITES);
  const opening = performance.now() - start;
  sink.tell('go');
  const begun = performance.now();
  await sink.until((report) => report.messages >= messages);
  const draining = performance.now() - begun;
  await pause(SETTLE);
  const [cpu, at] = [cpuTime(server.pid), performance.now()];
  let rssAnon = Number.POSITIVE_INFINITY;
  while (performance.now() < at + IDLE) {
    await pause(1000);
    rssAnon = Math.min(rssAnon, server.residentMemory());
  }
  const idleCpu = ((cpuTime(server.pid) - cpu) * 1000) / (performance.now() - at);
  const { peak, open, repeated } = await sink.ask();
  const delivered = await server.untilCounts({ Delivery: messages });
  check(
    delivered.filter(({ type }) => type === 'Delivery').map(({ id }) => id),
    accepted,
    repeated,
  );
  const code = await server.stop();
  if (code !== 0) throw new Error(`the server ended with ${code}:\n${server.errors}`);
  await sink.stop();
  if (peak !== limit * SITES) throw new Error(`${peak} connections were open at once, not ${limit * SITES}`);
  return { peak, idle: open, rssAnon, idleCpu, opening, draining };
}

/** Every message once: by the numbers that the sink saw and the ids that the log has. */
function check(
  delivered: readonly string[],
  accepted: ReadonlyMap<number, string>,
  repeated: number[],
): void {
  const ids = new Set(delivered);
  const missing = [...accepted.values()].filter((id) => !ids.has(id));
  if (missing.length === 0 && delivered.length === accepted.size && repeated.length === 0) return;
  const figures = `${delivered.length} Delivery records, ${missing.length} messages without, ${repeated.length} came twice`;
  throw new Error(`${accepted.size} messages were accepted: ${figures}`);
}

function show(label: string, { peak, idle, rssAnon, idleCpu, opening, draining }: Figures): void {
  const memory = `RssAnon ${(rssAnon / 2 ** 20).toFixed(0)} MiB`;
  const times = `all open after ${(opening / 1000).toFixed(1)} s, ${messages} messages delivered once each in ${(draining / 1000).toFixed(1)} s`;
  const resting = `idle: ${idle} open, ${idleCpu.toFixed(1)} ms of processor time a second, ${memory}`;
  console.log(`${label}: ${peak} open at once at the receiver; ${times}; ${resting}`);
}

const openFiles = Number(/Max open files +\d+ +(\d+)/.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
if (openFiles < connections + OTHER_FILES) {
  console.log(
    `NOT MEASURED: the hard limit of open files is ${openFiles}; ${connections} connections need ${connections + OTHER_FILES} (ulimit -Hn, LimitNOFILE= of systemd)`,
  );
  process.exit(1);
}
try {
  const few = await measure(1);
  show(`${SITES} connections`, few);
  const many = await measure(perSite);
  show(`${perSite * SITES} connections`, many);
  const each = (many.rssAnon - few.rssAnon) / (many.peak - few.peak);
  const idle = (many.idleCpu - few.idleCpu) / ((many.peak - few.peak) / 1000);
  console.log(
    `${(each / 1024).toFixed(1)} KiB of RssAnon for each connection more (all of RssAnon divided by the connections: ${(many.rssAnon / many.peak / 1024).toFixed(1)} KiB); ${idle.toFixed(2)} ms of processor time a second for 1,000 idle ones`,
  );
} finally {
  await Moonpost.disposeAll();
}
