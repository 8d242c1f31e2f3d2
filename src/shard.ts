import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { CoordinatorLine } from './coordinator-line.ts';
import type { PeerSecurity } from './flow/delivery/index.ts';
import { ReadyQueues } from './flow/ready-queue/index.ts';
import { Reception } from './flow/reception/index.ts';
import { ScheduledQueues } from './flow/scheduled-queue/index.ts';
import { systemClock } from './io/clock/index.ts';
import { createDiagnostics, silentDiagnostics } from './io/diagnostics/index.ts';
import { DiskSpaceWatch } from './io/disk-space/index.ts';
import type { MemoryWatch } from './io/memory/index.ts';
import { createMessageIds } from './io/message-id/index.ts';
import { MeasuredSpool, type MetricsPages } from './io/metrics/index.ts';
import { random } from './io/random/index.ts';
import { openShardSpools } from './io/spool/index.ts';
import { GenerationNumber, remoteQueues } from './io/threads/index.ts';
import { LinePost } from './line-post.ts';
import { type PolicyEngine, PolicyGenerations } from './lua/index.ts';
import {
  createdAt,
  type InitDeclaration,
  type Message,
  MessageStore,
  measured,
  type PolicyHost,
  type Refusal,
  type Spool,
} from './model/index.ts';
import type { EsmtpListenerOptions, SpawnTaskOptions } from './model/options/index.ts';
import { createPeerSecurity } from './peer-security.ts';
import { CANDIDATE_TIME } from './policy-start.ts';
import { ShardAdmin } from './shard-admin.ts';
import { spoolOptions, watchedDisks } from './shard-disks.ts';
import { ShardDns } from './shard-dns.ts';
import { type HttpListeners, startHttpListeners } from './shard-http.ts';
import { policyInjection, shardInjection } from './shard-injection.ts';
import { inspectShard } from './shard-inspection.ts';
import { type ShardLimits, shardLimits } from './shard-limits.ts';
import { ShardLog } from './shard-log.ts';
import { shardMemory } from './shard-memory.ts';
import type {
  Answered,
  FromShard,
  NextGeneration,
  Question,
  ShardRequests,
  ShardStart,
  ToShard,
} from './shard-messages.ts';
import { metricsText, shardMetrics } from './shard-metrics.ts';
import { loadShardPolicy, type PolicySource } from './shard-policy.ts';
import { sourceParts } from './shard-sources.ts';
import { ShardTraces } from './shard-traces.ts';
import { type SmtpListeners, startSmtpListeners } from './smtp-listeners.ts';

/** Handlers that still wait in the oldest of too many policy generations end after this long, ms. */
const OLD_GENERATION_GRACE = 60_000;

/**
 * One full mail path in a worker thread.
 * binding → waiting for the spool → serving → draining → stopped. Connections are accepted from `binding` on
 * and refused with 421 until `serving`.
 */
class Shard {
  readonly #start: ShardStart;
  readonly #post: (message: FromShard) => void;
  readonly #diagnostics = createDiagnostics(process.env.KUMOD_LOG);
  readonly #metrics: MetricsPages;
  readonly #limits: ShardLimits;
  readonly #dns: ShardDns;
  readonly #newMessageId: () => string;
  readonly #disks: DiskSpaceWatch;
  readonly #memory: MemoryWatch;
  readonly #lines: LinePost;
  readonly #coordinator: CoordinatorLine;
  readonly #admin: ShardAdmin;
  readonly #generation: GenerationNumber;
  readonly #policyHost: PolicyHost;
  readonly #security: PeerSecurity;
  readonly #traces: ShardTraces;
  #policy!: PolicyGenerations;
  #log!: ShardLog;
  /** Of the generation that is prepared. */
  #nextDeclarations: readonly InitDeclaration[] = [];
  #isStarted = false;
  #smtp: SmtpListeners | undefined;
  #http: HttpListeners | undefined;
  #opening: Promise<void> | undefined;
  #isStopping = false;
  #spool: Spool | undefined;
  #ready: ReadyQueues | undefined;
  #queues: ScheduledQueues | undefined;
  #reception: Reception | undefined;
  #injection!: ReturnType<typeof shardInjection>;

  constructor(start: ShardStart, post: (message: FromShard) => void) {
    this.#start = start;
    this.#post = post;
    this.#traces = new ShardTraces(start);
    this.#metrics = shardMetrics(start.shard, () => [this.#rooms, this.#disks, this.#memory, this.#policy]);
    this.#lines = new LinePost(post);
    this.#coordinator = new CoordinatorLine(post);
    this.#admin = new ShardAdmin(this.#coordinator, this.#diagnostics);
    this.#limits = shardLimits(start, measured, this.#diagnostics);
    this.#dns = new ShardDns({
      ...start,
      registry: measured,
      diagnostics: this.#diagnostics,
      counters: this.#limits.counters,
    });
    this.#generation = new GenerationNumber(start.generation);
    this.#policyHost = this.#makePolicyHost();
    this.#security = createPeerSecurity(this.#policyHost, () => this.#policy);
    this.#newMessageId = createMessageIds({ clock: systemClock, random, shard: start.shard });
    // Every shard looks, one speaks.
    const speaker = start.shard === 0 ? this.#diagnostics : silentDiagnostics;
    this.#disks = new DiskSpaceWatch(watchedDisks(start.declarations), systemClock, speaker);
    this.#memory = shardMemory(start.declarations, speaker, () => ({
      ready: this.#ready,
      spool: this.#spool,
    }));
  }

  /** Loads the policy and binds every listener. */
  async bind(): Promise<void> {
    const { texts, declarations } = this.#start;
    const engine = await this.#loadPolicy({ texts, declarations });
    if (this.#isStopping) return;
    this.#policy = new PolicyGenerations(engine, () => this.#generation.value);
    await this.#limits.start();
    this.#log = new ShardLog({
      ...this.#start,
      policy: this.#policy,
      registry: measured,
      diagnostics: this.#diagnostics,
      newMessageId: this.#newMessageId,
      account: (totals) => this.#coordinator.ask('account', totals),
      send: (batches) => this.#lines.send(batches),
      enqueue: (message, isDeferred) => this.#reception!.enqueue(message, isDeferred),
    });
    this.#smtp = await startSmtpListeners(this.#declared<EsmtpListenerOptions>('start_esmtp_listener'), {
      clock: systemClock,
      diagnostics: this.#diagnostics,
      policy: this.#policy,
      registry: measured,
      hostname: this.#start.hostname,
      refusal: () => this.#whyNot(),
      receive: (transaction) => this.#reception!.receive(transaction),
      log: () => this.#log,
      isLogStalled: () => this.#log.refusesMail,
      newMessageId: this.#newMessageId,
      trace: this.#traces.server,
    });
    this.#injection = shardInjection({
      ...this.#limits,
      ...this.#start,
      policy: this.#policy,
      registry: measured,
      newMessageId: this.#newMessageId,
      refusal: () => this.#whyNot(),
      take: (message, as) => this.#reception!.inject(message, as),
    });
    this.#http = await startHttpListeners({
      ...this.#start,
      coordinator: this.#coordinator,
      host: this.#policyHost,
      policy: this.#policy,
      refusal: () => this.#whyNot(),
      injection: this.#injection,
      traces: this.#traces,
      send: (batches) => this.#lines.send(batches),
    });
    this.#post({ kind: 'bound' });
  }

  async receive(message: ToShard): Promise<void> {
    switch (message.kind) {
      case 'open-spool':
        this.#opening = this.#openSpool();
        return this.#opening;
      case 'lines-taken':
        return this.#lines.taken(message.batch);
      case 'question':
        return this.#answer(message.number, message.question);
      case 'answer':
        this.#coordinator.answered(message.number, message.answer);
        return;
      case 'stop':
        return this.#stop();
    }
  }

  #declared<T>(kind: string): T[] {
    return this.#start.declarations.filter((entry) => entry.kind === kind).map((entry) => entry.options as T);
  }

  /** In the order of operations.md 14. */
  #whyNot(): Refusal | undefined {
    if (this.#isStopping) return 'shutting down';
    if (this.#memory.level === 'none') return 'load shedding';
    if (!this.#isStarted) return 'waiting for spool startup';
    if (this.#log.refusesMail) return 'load shedding';
    return this.#disks.full ? 'disk is too full' : undefined;
  }

  #makePolicyHost(): PolicyHost {
    return {
      clock: systemClock,
      diagnostics: this.#diagnostics,
      throttles: this.#limits.throttles,
      resolver: this.#dns.resolver,
      resolverNamed: this.#dns.resolverNamed,
      mtaSts: this.#dns.mtaSts,
      counters: this.#limits.counters,
      queues: remoteQueues(),
      admin: this.#admin.port,
      observeLatency: (label, seconds) => measured.histogram('user_lua_latency', label).observe(seconds),
      random,
      validating: false,
      declare: () => {},
      declared: (kind) => this.#declared<unknown>(kind).at(-1),
      metricsText: () => metricsText(this.#coordinator),
      newMessageId: () => this.#newMessageId(),
      inject: (message: Message) => this.#reception!.inject(message),
      injection: policyInjection(() => this.#injection, this.#start.hostname),
      once: (key) => this.#limits.counters.add(`said ${key}`, 1) === 1,
      validationFailed: () => {},
      configEpoch: () => this.#generation.value,
      // The coordinator always answers, or the process ends.
      bumpEpoch: () => void this.#coordinator.ask('bump-epoch', 'kumo.bump_config_epoch'),
      fileUsed: (path, use) => void this.#coordinator.ask('file-used', { path, use }),
      monitoredFiles: () => this.#coordinator.ask('monitored-files', undefined),
    };
  }

  #loadPolicy(source: PolicySource, within: { loadTime?: number } = {}): Promise<PolicyEngine> {
    return loadShardPolicy({ file: this.#start.policy, host: this.#policyHost }, source, within);
  }

  async #answer(number: number, question: Question<ShardRequests>): Promise<void> {
    let answer: Answered;
    try {
      answer = { value: await this.#answerTo(question) };
    } catch (error) {
      answer = { error: (error as Error).message };
    }
    this.#post({ kind: 'answer', number, answer });
  }

  async #answerTo(question: Question<ShardRequests>): Promise<unknown> {
    switch (question.kind) {
      case 'metrics':
        return this.#metrics.overview(question.asked);
      case 'metrics-deal':
        return this.#metrics.deal(question.asked);
      case 'metrics-parts':
        return this.#metrics.parts(question.asked);
      case 'prepare-policy':
        return this.#preparePolicy(question.asked);
      case 'drop-policy':
        return this.#policy.drop(question.asked);
      case 'policy-switched':
        return this.#refresh();
      case 'rebind':
        return this.#admin.rebind(question.asked, this.#rooms);
      case 'admin-change':
        return this.#admin.apply(question.asked, this.#rooms);
      case 'admin-counts':
        return this.#admin.actions.counts(question.asked);
      case 'trace':
        return this.#traces.serve(question.asked);
      case 'old-policies':
        return this.#policy.old;
      default:
        return inspectShard(question, {
          ...this.#rooms,
          spool: this.#spool,
          policy: this.#policy,
          smtp: this.#smtp,
        });
    }
  }

  /** Loads the next generation; before it the oldest must end when there are too many. */
  async #preparePolicy({ generation, texts, declarations }: NextGeneration): Promise<void> {
    const deadline = systemClock.monotonic() + OLD_GENERATION_GRACE;
    while (!this.#policy.hasRoom) {
      if (systemClock.monotonic() >= deadline) this.#policy.abandonOldest();
      else await new Promise<void>((resolve) => systemClock.after(100, resolve));
    }
    this.#nextDeclarations = declarations;
    const loaded = await this.#loadPolicy({ texts, declarations }, { loadTime: CANDIDATE_TIME });
    this.#policy.prepare(generation, loaded);
  }

  /** What was asked of the generation before is asked of this one from now on. */
  #refresh(): void {
    this.#policy.settle();
    this.#log.configureHooks(this.#nextDeclarations);
    this.#queues?.refresh();
    this.#ready?.refresh();
    this.#smtp?.refresh();
    this.#http?.refresh();
    this.#security.refresh();
  }

  async #openSpool(): Promise<void> {
    const { data, meta } = spoolOptions(this.#start.declarations);
    const spool = await openShardSpools({
      dataPath: data.path,
      metaPath: meta.path,
      shard: this.#start.shard,
      shards: this.#start.shards,
      kind: data.kind,
      flush: data.flush,
      clock: systemClock,
      diagnostics: this.#diagnostics,
    });
    const store = new MessageStore(new MeasuredSpool(spool, data.path, systemClock), this.#memory);
    this.#spool = store.spool;
    const shared = {
      policy: this.#policy,
      store,
      log: this.#log,
      admin: this.#admin.actions,
      diagnostics: this.#diagnostics,
      clock: systemClock,
      throttles: this.#limits.throttles,
      random,
      ...sourceParts(this.#start.declarations, this.#limits.counters, measured, this.#diagnostics),
    };
    this.#ready = new ReadyQueues({
      ...this.#start,
      ...shared,
      ...this.#limits,
      memory: this.#memory,
      routing: this.#dns.routing,
      dial: this.#dns.dial,
      security: this.#security,
      trace: this.#traces.client,
      generate: (message) => this.#injection.generate(message),
      onReaped: (name) => this.#log.forget(name),
    });
    this.#queues = new ScheduledQueues({ ...shared, ready: this.#ready, createdAt });
    this.#reception = new Reception({ ...shared, queues: this.#queues, newMessageId: this.#newMessageId });
    this.#memory.start();
    await this.#disks.start();
    if (this.#isStopping) return;
    this.#isStarted = true;
    const { messages, quarantined } = await this.#queues.restore();
    if (this.#isStopping) return;
    this.#post({ kind: 'enumerated', messages, quarantined });
    // Tasks run once per process, so one shard has them all.
    if (this.#start.shard === 0) {
      this.#policy.pin();
      for (const { event_name: event, args } of this.#declared<SpawnTaskOptions>('spawn_task')) {
        void this.#policy.fire(event, [args]);
      }
    }
  }

  async #stop(): Promise<void> {
    this.#isStopping = true;
    this.#queues?.restoring.end();
    await this.#opening?.catch(() => {});
    await this.#smtp?.stop();
    await this.#reception?.idle();
    await this.#injection?.idle();
    await this.#queues?.stop();
    await this.#ready?.stop();
    // Connections that ended just now have settled messages that are still being written.
    await this.#queues?.stop();
    this.#disks.stop();
    this.#memory.stop();
    await this.#coordinator.ask('drained', undefined); // They share the HTTP port; any may be asked until then.
    await Promise.all([this.#log?.finish(), this.#dns.mtaSts.close()]);
    await Promise.all([this.#spool?.close(), this.#http?.close()]);
    this.#limits.close();
    this.#policy?.close();
    this.#post({ kind: 'stopped' });
    parentPort?.close();
  }

  get #rooms(): { queues: ScheduledQueues | undefined; ready: ReadyQueues | undefined } {
    return { queues: this.#queues, ready: this.#ready };
  }
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const post = (message: FromShard): void => port.postMessage(message);
  const fail = (error: Error): void => post({ kind: 'failed', message: error.message });
  try {
    const shard = new Shard(workerData as ShardStart, post);
    port.on('message', (message: ToShard) => void shard.receive(message).catch(fail));
    shard.bind().catch(fail);
  } catch (error) {
    fail(error as Error);
  }
}
