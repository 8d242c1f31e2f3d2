import { dirname } from 'node:path';
import { systemClock } from './io/clock/index.ts';
import { setDiagnosticFilterEverywhere } from './io/diagnostics/index.ts';
import { changedFiles, helpersDirectory } from './io/files/index.ts';
import { GenerationNumber } from './io/threads/index.ts';
import { PolicyGenerations } from './lua/index.ts';
import {
  type Diagnostics,
  type InitDeclaration,
  logDirectories,
  measured,
  type PolicyEvents,
  type PolicyStatus,
} from './model/index.ts';
import type { LocalLogsOptions, SpoolOptions } from './model/options/index.ts';
import { type Candidate, PolicyReload } from './policy-reload.ts';
import {
  CANDIDATE_TIME,
  checkPolicy,
  type InitializedPolicy,
  initializePolicy,
  type PolicySurroundings,
} from './policy-start.ts';
import type { ShardPool } from './shard-pool.ts';

/** The policy in the coordinator: its first generation, and those that follow when its files change. */
export class PolicyHome {
  /** Shown to all threads. */
  readonly generation = new GenerationNumber();
  readonly #declarations: InitDeclaration[] = [];
  readonly #surroundings: PolicySurroundings;
  readonly #reload: PolicyReload;
  #initialized: InitializedPolicy | undefined;
  #generations: PolicyGenerations | undefined;
  #shards: ShardPool | undefined;
  /** Filter of the diagnostic log that `init` of the generation asks for, when it asks. */
  #filter: { serving: unknown; next: unknown } = { serving: undefined, next: undefined };

  constructor(file: string, diagnostics: Diagnostics, shared: Pick<PolicySurroundings, 'limits' | 'admin'>) {
    this.#surroundings = {
      file,
      diagnostics,
      ...shared,
      declarations: this.#declarations,
      epoch: {
        configEpoch: () => this.generation.value,
        bumpEpoch: () => this.bump('kumo.bump_config_epoch'),
        monitoredFiles: () => this.#reload.monitoredFiles(),
        fileUsed: (path, use) => this.#reload.noteFile(path, use),
      },
    };
    this.#reload = new PolicyReload(this.#declarations, {
      file,
      helpersDir: helpersDirectory(),
      clock: systemClock,
      diagnostics,
      check: () => checkPolicy(this.#surroundings, CANDIDATE_TIME, { print: (text) => this.#tell(text) }),
      changedSince: changedFiles,
      prepare: (generation, candidate) => this.#prepare(generation, candidate),
      show: (generation) => this.#show(generation),
      old: () => this.#old(),
      except: () => this.#mailDirectories(),
    });
  }

  /** Runs pre_init and init; gives what they declared. Throws with the operator's file and line. */
  async initialize(): Promise<readonly InitDeclaration[]> {
    this.#initialized = await initializePolicy(this.#surroundings);
    this.#generations = new PolicyGenerations(this.#initialized.engine, () => this.generation.value);
    this.#filter.serving = declaredFilter(this.#declarations);
    return this.#declarations;
  }

  /** Events that are not about a message, in the generation that serves. */
  get events(): PolicyEvents {
    return this.#generations!;
  }

  /** What the files of the first generation say, by path. */
  get texts(): ReadonlyMap<string, Uint8Array> {
    return this.#initialized!.engine.texts;
  }

  /** Begins to bring changes of the files into service. */
  async follow(shards: ShardPool): Promise<void> {
    this.#shards = shards;
    const { texts, handledEvents } = this.#initialized!.engine;
    await this.#reload.start({ declarations: this.#declarations, texts, events: handledEvents });
  }

  stopFollowing(): void {
    this.#reload.stop();
  }

  bump(cause: string): void {
    this.#reload.request([cause]);
  }

  noteFile(path: string, use: 'read' | 'written'): void {
    this.#reload.noteFile(path, use);
  }

  status(): Promise<PolicyStatus> {
    return this.#reload.status();
  }

  monitoredFiles(): Promise<string[]> {
    return this.#reload.monitoredFiles();
  }

  /** Notes for the metrics what it is at. */
  measure(): void {
    const { switched, failed } = this.#reload.counts;
    measured.series('policy_generation').set(this.generation.value);
    measured.series('policy_reload_count', 'switched').set(switched);
    measured.series('policy_reload_count', 'failed').set(failed);
  }

  close(): void {
    this.#generations?.close();
    this.#initialized?.close();
  }

  /** What a changed policy prints while it is tried, such as warnings of helpers. */
  #tell(text: string): void {
    const line = text.trimEnd();
    if (line !== '') this.#surroundings.diagnostics.info('policy', line);
  }

  /** Every shard is ready, or none keeps the candidate. */
  async #prepare(generation: number, candidate: Candidate): Promise<void> {
    const { texts, declarations } = candidate;
    this.#filter.next = declaredFilter(declarations);
    const engine = await this.#initialized!.another(texts, declarations);
    this.#generations!.prepare(generation, engine);
    try {
      const sent = declarations.filter(({ kind }) => kind !== 'spawn_task');
      await this.#shards!.askAll('prepare-policy', { generation, texts, declarations: sent });
    } catch (error) {
      this.#generations!.drop(generation);
      await this.#shards!.askAll('drop-policy', generation);
      throw error;
    }
  }

  #show(generation: number): void {
    this.generation.value = generation;
    this.#generations!.settle();
    const { serving, next } = this.#filter;
    this.#filter.serving = next;
    // What an administrator has set since stays unless the policy itself asks for something else now.
    if (typeof next === 'string' && next !== serving) setDiagnosticFilterEverywhere(next);
    this.#shards!.askAll('policy-switched', undefined).catch((error: Error) =>
      this.#surroundings.diagnostics.error('policy', `after the switch: ${error.message}`),
    );
  }

  async #old(): Promise<PolicyStatus['old_generations']> {
    const running = new Map<number, number>();
    for (const shard of (await this.#shards?.askAll('old-policies', undefined)) ?? []) {
      for (const { generation, running: count } of shard) {
        running.set(generation, (running.get(generation) ?? 0) + count);
      }
    }
    return [...running]
      .sort(([a], [b]) => a - b)
      .map(([generation, count]) => ({ generation, running: count }));
  }

  #mailDirectories(): string[] {
    const directories: string[] = [];
    for (const { kind, options } of this.#declarations) {
      if (kind === 'define_spool') directories.push((options as SpoolOptions).path);
      if (kind === 'configure_local_logs') directories.push(...logDirectories(options as LocalLogsOptions));
    }
    // A policy among its own logs is watched all the same.
    return directories.filter((directory) => directory !== dirname(this.#surroundings.file));
  }
}

function declaredFilter(declarations: readonly InitDeclaration[]): unknown {
  return declarations.findLast(({ kind }) => kind === 'set_diagnostic_log_filter')?.options;
}
