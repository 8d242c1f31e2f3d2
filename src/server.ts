import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { systemClock } from './io/clock/index.ts';
import { DeliveryLogWriters } from './io/delivery-log/index.ts';
import { createDiagnostics } from './io/diagnostics/index.ts';
import { productVersion } from './io/files/index.ts';
import { attachLimits, createSharedLimits, releaseShard, type SharedLimits } from './io/limits/index.ts';
import { describeMachine } from './io/machine/index.ts';
import { TotalsDatabase, usualTotalsPath } from './io/mail-totals/index.ts';
import type { MemoryWatch } from './io/memory/index.ts';
import { type PortReservation, reservePort } from './io/net/index.ts';
import { readNodeId } from './io/node-id/index.ts';
import { openFileAdvice, openFileLimit } from './io/open-files/index.ts';
import { asUser, dropPrivileges } from './io/privileges/index.ts';
import { lockSpool, pairSpoolDirectories, type SpoolLock } from './io/spool/index.ts';
import {
  accountingFiles,
  DEVELOPMENT_RECIPIENT,
  type Diagnostics,
  declaredLoggers,
  type InitDeclaration,
  logDirectories,
  type MachineDescription,
} from './model/index.ts';
import type {
  EsmtpListenerOptions,
  HttpListenerOptions,
  LocalLogsOptions,
  SpoolOptions,
} from './model/options/index.ts';
import { PolicyHome } from './policy-home.ts';
import { ProcessAdmin } from './process-admin.ts';
import { inspectProcess } from './process-inspection.ts';
import { ProcessMetrics } from './process-metrics.ts';
import { formatHostPort } from './protocol/ip/index.ts';
import { logMemory } from './shard-memory.ts';
import type { CoordinatorQuestion } from './shard-messages.ts';
import { ShardPool } from './shard-pool.ts';

export { validatePolicy } from './policy-start.ts';

export interface ServerOptions {
  policy: string;
  shards: number;
  user?: string | undefined;
  /** Who gets all mail instead of its recipients. */
  developmentRecipient?: string | undefined;
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** How often a drain that goes on says so, ms (operations.md 1.4). */
const STILL_WAITING = 15_000;

/** Runs the server until a signal ends it. Gives the exit code. Throws when it cannot start. */
export async function runServer(options: ServerOptions): Promise<number> {
  const diagnostics = createDiagnostics(process.env.KUMOD_LOG);
  diagnostics.info('kumod', `Version is ${productVersion()}`);
  const file = resolve(options.policy);
  const limits = createSharedLimits(options.shards);
  const attached = attachLimits(limits, options.shards, systemClock);
  const admin = new ProcessAdmin();
  const home = new PolicyHome(file, diagnostics, { limits: attached, admin: admin.ledger });
  try {
    const declarations = withDevelopmentRecipient(options, await home.initialize(), diagnostics);
    return await serve({ ...options, policy: file, limits, admin }, declarations, home, diagnostics);
  } finally {
    home.close();
    attached.close();
  }
}

/** What the command line says of it beats the policy. */
function withDevelopmentRecipient(
  { developmentRecipient }: ServerOptions,
  asDeclared: readonly InitDeclaration[],
  diagnostics: Diagnostics,
): readonly InitDeclaration[] {
  const where = '--development-recipient';
  const given = { kind: DEVELOPMENT_RECIPIENT, options: developmentRecipient, where };
  const declarations = developmentRecipient === undefined ? asDeclared : [...asDeclared, given];
  const holds = declarations.findLast(({ kind }) => kind === DEVELOPMENT_RECIPIENT);
  if (holds !== undefined) {
    const text = `all new mail goes to ${holds.options} instead of its recipients (${holds.where})`;
    diagnostics.warn('kumod', text);
  }
  return declarations;
}

interface ServeOptions extends ServerOptions {
  limits: SharedLimits;
  admin: ProcessAdmin;
}

async function serve(
  options: ServeOptions,
  asDeclared: readonly InitDeclaration[],
  home: PolicyHome,
  diagnostics: Diagnostics,
): Promise<number> {
  const say = (text: string): void => diagnostics.info('kumod', text);
  if (!asDeclared.some(({ kind }) => kind === 'define_spool')) {
    throw new Error(`${options.policy}: No spools have been defined`);
  }
  const declarations = await reservePorts(asDeclared);
  const nodeId = asUser(options.user, () => readNodeId({ directory: spoolPath(declarations, 'data') }));
  say(`NodeId is ${nodeId}`);
  say(`available_parallelism=${options.shards}`);
  const advice = openFileAdvice(openFileLimit());
  if (advice !== undefined) diagnostics.warn('kumod', advice);
  return new Coordinator(options, declarations, nodeId, diagnostics, home).run();
}

function declared<T>(declarations: readonly InitDeclaration[], kind: string): T[] {
  return declarations.filter((entry) => entry.kind === kind).map((entry) => entry.options as T);
}

function spoolPath(declarations: readonly InitDeclaration[], name: string): string {
  const spools = declared<SpoolOptions>(declarations, 'define_spool');
  return (spools.find((spool) => spool.name === name) ?? spools[0]!).path;
}

/**
 * Binds every port alone for a moment: a second server fails loudly here, and port 0 becomes a number. The
 * shards then share the ports.
 */
async function reservePorts(declarations: readonly InitDeclaration[]): Promise<InitDeclaration[]> {
  const held: PortReservation[] = [];
  try {
    const reserved: InitDeclaration[] = [];
    for (const entry of declarations) {
      const isListener = entry.kind === 'start_esmtp_listener' || entry.kind === 'start_http_listener';
      reserved.push(isListener ? await withPort(entry, held) : entry);
    }
    return reserved;
  } finally {
    // Only now, so that two listeners of one policy on the same port are found too.
    for (const reservation of held) await reservation.release();
  }
}

async function withPort(entry: InitDeclaration, held: PortReservation[]): Promise<InitDeclaration> {
  const options = entry.options as EsmtpListenerOptions | HttpListenerOptions;
  const reservation = await reservePort(options.listen).catch((error: Error) => {
    throw new Error(`${entry.where}: ${error.message}`);
  });
  held.push(reservation);
  return { ...entry, options: { ...options, listen: { ...options.listen, port: reservation.port } } };
}

/**
 * The main thread: owns the delivery-log files, the spool lock and the shards.
 * binding → serving → draining → ended. `binding` until every shard has its ports; then privileges are given
 * up and the spool is opened. A lost shard means draining and exit code 1, so that the supervisor restarts
 * the whole.
 */
class Coordinator {
  readonly #options: ServerOptions;
  readonly #declarations: readonly InitDeclaration[];
  readonly #diagnostics: Diagnostics;
  readonly #policy: PolicyHome;
  readonly #limits: SharedLimits;
  readonly #admin: ProcessAdmin;
  readonly #pool: ShardPool;
  readonly #metrics: ProcessMetrics;
  #logs: DeliveryLogWriters | undefined;
  readonly #logsMade = Promise.withResolvers<DeliveryLogWriters>();
  #memory: MemoryWatch | undefined;
  #totals: TotalsDatabase | undefined;
  #machine: MachineDescription | undefined;
  readonly #locks: SpoolLock[] = [];
  #opened = 0;
  #isServing = false;
  #reminder: NodeJS.Timeout | undefined;
  #isDraining = false;
  #exitCode = 0;
  #finish: (code: number) => void = () => {};

  constructor(
    options: ServeOptions,
    declarations: readonly InitDeclaration[],
    nodeId: string,
    diagnostics: Diagnostics,
    policy: PolicyHome,
  ) {
    this.#options = options;
    this.#declarations = declarations;
    this.#diagnostics = diagnostics;
    this.#policy = policy;
    this.#limits = options.limits;
    this.#admin = options.admin;
    const starts = Array.from({ length: options.shards }, (_, shard) => ({
      shard,
      shards: options.shards,
      policy: options.policy,
      declarations: [...declarations],
      limits: this.#limits,
      generation: policy.generation.buffer,
      texts: policy.texts,
      nodeId,
      hostname: hostname(),
    }));
    this.#pool = new ShardPool(starts, {
      bound: () => this.#open(),
      enumerated: (messages) => this.#announce(messages),
      // HTTP answers, and is audited, from the first moment on.
      lines: async (batches) => (this.#logs ?? (await this.#logsMade.promise)).append(batches),
      asked: (question) => this.#answer(question),
      lost: (shard, why) => this.#lost(shard, why),
      allEnded: () => void this.#close(),
    });
    this.#admin.attach(this.#pool);
    const node = { node_id: nodeId, version: productVersion(), startedAt: systemClock.now() };
    void describeMachine(node).then((machine) => {
      this.#machine = machine;
    });
    this.#metrics = new ProcessMetrics(systemClock, this.#pool, () => this.#policy.measure());
  }

  /** Resolves with the exit code once everything has ended. */
  async run(): Promise<number> {
    const onSignal = (signal: string): void => this.#drain(`${signal} received`);
    for (const signal of SIGNALS) process.on(signal, onSignal);
    const code = await new Promise<number>((finish) => {
      this.#finish = finish;
    });
    for (const signal of SIGNALS) process.off(signal, onSignal);
    return code;
  }

  #say(text: string): void {
    this.#diagnostics.info('kumod', text);
  }

  #open(): void {
    if (this.#isDraining) return;
    try {
      dropPrivileges(this.#options.user, this.#diagnostics);
      const meta = spoolPath(this.#declarations, 'meta');
      const data = spoolPath(this.#declarations, 'data');
      for (const path of new Set([data, meta])) this.#locks.push(lockSpool(path));
      pairSpoolDirectories(meta, data);
      const loggers = declaredLoggers(this.#declarations);
      const audit = accountingFiles(this.#declarations);
      this.#logs = new DeliveryLogWriters([...loggers, ...audit], systemClock, this.#diagnostics);
      this.#logsMade.resolve(this.#logs);
      const totals =
        declared<string>(this.#declarations, 'configure_accounting_db_path').at(-1) ?? usualTotalsPath();
      if (totals !== undefined) this.#totals = new TotalsDatabase(totals, systemClock, this.#diagnostics);
      this.#memory = logMemory(this.#declarations, this.#logs);
    } catch (error) {
      this.#fail((error as Error).message);
      return;
    }
    this.#isServing = true;
    for (const { listen } of declared<EsmtpListenerOptions>(this.#declarations, 'start_esmtp_listener')) {
      this.#say(`smtp listener on ${formatHostPort(listen.address, listen.port)}`);
    }
    for (const { listen, use_tls } of declared<HttpListenerOptions>(
      this.#declarations,
      'start_http_listener',
    )) {
      this.#say(`${use_tls ? 'https' : 'http'} listener on ${formatHostPort(listen.address, listen.port)}`);
    }
    this.#opened = systemClock.monotonic();
    this.#pool.tellAll({ kind: 'open-spool' });
  }

  #announce(messages: number): void {
    const seconds = (systemClock.monotonic() - this.#opened) / 1000;
    const rate = Math.round(messages / Math.max(seconds, 0.001));
    const figures = `spooled in ${messages} msgs over ${seconds.toFixed(3)}s ${rate}/s`;
    this.#diagnostics.info('spool', `start_spool: enumeration done, ${figures}`);
    this.#say('initialization complete');
    void this.#policy.follow(this.#pool);
  }

  /** What shards ask, most of it for their HTTP clients. */
  async #answer(question: CoordinatorQuestion): Promise<unknown> {
    switch (question.kind) {
      case 'metrics-begin':
        return this.#metrics.begin(question.asked);
      case 'metrics-next':
        return this.#metrics.next(question.asked);
      case 'metrics-give-up':
        return this.#metrics.end(question.asked);
      case 'policy-status':
        return this.#policy.status();
      case 'bump-epoch':
        this.#policy.bump(question.asked);
        return;
      case 'rebind':
        await this.#pool.askAll('rebind', question.asked);
        return;
      case 'admin-put': {
        const { kind, rule, sweep } = question.asked;
        return this.#admin.ledger.put(kind, rule, sweep);
      }
      case 'admin-list':
        return this.#admin.ledger.list(question.asked);
      case 'admin-delete':
        return this.#admin.ledger.delete(question.asked.kind, question.asked.id);
      case 'trace':
        await this.#pool.askAll('trace', question.asked);
        return;
      case 'account':
        this.#totals?.add(question.asked);
        return;
      case 'file-used':
        this.#policy.noteFile(question.asked.path, question.asked.use);
        return;
      case 'monitored-files':
        return this.#policy.monitoredFiles();
      default:
        return inspectProcess(question, this.#pool, { logDirs: this.#logDirs(), machine: this.#machine });
    }
  }

  #logDirs(): string[] {
    const loggers = declared<LocalLogsOptions>(this.#declarations, 'configure_local_logs');
    return [...new Set(loggers.flatMap(logDirectories))];
  }

  #drain(why: string): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#policy.stopFollowing();
    this.#say(`${why}, shutting down`);
    for (const { listen } of declared<EsmtpListenerOptions>(this.#declarations, 'start_esmtp_listener')) {
      this.#say(`smtp listener on ${formatHostPort(listen.address, listen.port)} -> stopping`);
    }
    this.#reminder = setInterval(() => {
      this.#say(`Still waiting for ${this.#pool.running} pending activities... shards with work in hand`);
    }, STILL_WAITING);
    this.#pool.stop();
  }

  #lost(shard: number, why: string): void {
    releaseShard(this.#limits, shard, systemClock);
    if (!this.#isServing) {
      this.#fail(why);
      return;
    }
    this.#exitCode = 1;
    this.#diagnostics.error('kumod', `shard ${shard} was lost: ${why}`);
    this.#drain('a shard was lost');
  }

  /** Cannot start. */
  #fail(why: string): void {
    if (this.#exitCode === 0) process.stderr.write(`Error: ${why}\n`);
    this.#exitCode = 1;
    void this.#pool.terminate();
  }

  async #close(): Promise<void> {
    try {
      // Policy errors are reported by the engine and hold up nothing.
      await this.#policy.events.fire('shutdown_logging', []);
      this.#memory?.stop();
      await this.#logs?.close();
      this.#totals?.close();
    } catch (error) {
      process.stderr.write(`Error: Shutdown due to error: ${(error as Error).message}\n`);
      this.#exitCode = 1;
    }
    for (const lock of this.#locks) lock.release();
    await this.#pool.terminate();
    clearInterval(this.#reminder);
    this.#metrics.stop();
    if (this.#exitCode === 0) this.#say('Shutdown completed OK!');
    this.#finish(this.#exitCode);
  }
}
