import { dirname, resolve } from 'node:path';
import { FileWatch } from './io/file-watch/index.ts';
import {
  type Clock,
  changesThatNeedRestart,
  type Diagnostics,
  type InitDeclaration,
  type PolicyFailure,
  type PolicyStatus,
} from './model/index.ts';

/** A policy that was read from disk and found good. */
export interface Candidate {
  declarations: InitDeclaration[];
  /** What its files say, by path. */
  texts: ReadonlyMap<string, Uint8Array>;
  events: ReadonlySet<string>;
}

/** What reloading needs of the server. */
export interface ReloadParts {
  readonly file: string;
  /** Folder of the Lua helpers that come with us. */
  readonly helpersDir: string;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  /** Reads the policy anew and tries it without effects; rejects with the operator's file and line. */
  check(): Promise<Candidate>;
  /** Makes every thread ready for it. Rejects when one cannot; then none keeps it. */
  prepare(generation: number, candidate: Candidate): Promise<void>;
  /** The instant at which it serves, in every thread. */
  show(generation: number): void;
  /** Generations before the one that serves, in which handlers still wait. */
  old(): Promise<PolicyStatus['old_generations']>;
  /** Which of these files say something else by now. */
  changedSince(texts: ReadonlyMap<string, Uint8Array>): Promise<string[]>;
  /** Directories of mail and logs: what changes there is never policy. */
  except(): readonly string[];
}

/** Events that a policy has whatever it does with mail. */
const OF_THE_START = new Set([
  'pre_init',
  'init',
  'validate_config',
  'config_epoch_changed',
  'shutdown_logging',
]);
/** Most files noted. */
const MOST_NOTED = 10_000;
const PATTERN = '**/*.{lua,json,toml,yaml}';
/** Where KumoMTA keeps policy and its data. */
const KUMO_ETC = '/opt/kumomta/etc';

/**
 * Follows the files of the policy in the coordinator and brings each good state of theirs into service.
 * watching → building → watching. `building` reads, checks and prepares a candidate; what is asked for
 * meanwhile is built after it. A candidate that is not good changes nothing but the status.
 */
export class PolicyReload {
  readonly #parts: ReloadParts;
  readonly #watch: FileWatch;
  #running: Candidate;
  #generation = 1;
  #since: number;
  /** Files that some thread has read, the candidates' and those that were read late among them. */
  readonly #alsoRead = new Set<string>();
  readonly #written = new Set<string>();
  /** Why the next generation is wanted; empty while nothing is. */
  #causes = new Set<string>();
  /** Somebody asked for it; otherwise files were seen to change. */
  #isAsked = false;
  #isBuilding = false;
  #isStarted = false;
  #isStopped = false;
  #failure: PolicyFailure | null = null;
  #needsRestart: PolicyStatus['needs_restart'] = [];
  /** What init declared when the server started, with which its rooms run. */
  readonly #started: readonly InitDeclaration[];
  #counts = { switched: 0, failed: 0 };

  /** `declarations` is what init of the first generation declares, filled while it runs. */
  constructor(declarations: InitDeclaration[], parts: ReloadParts) {
    this.#running = { declarations, texts: new Map(), events: new Set() };
    this.#started = declarations;
    this.#parts = parts;
    this.#since = parts.clock.now();
    this.#watch = new FileWatch({
      clock: parts.clock,
      watched: () => ({ files: this.#files(), globs: this.#globs(), except: parts.except() }),
      changed: (paths) => this.#want(paths),
      trouble: (text) => parts.diagnostics.warn('policy', text),
    });
  }

  /** Begins to follow the files; `first` is what serves now. */
  async start(first: Candidate): Promise<void> {
    if (this.#isStopped) return;
    this.#running = first;
    this.#since = this.#parts.clock.now();
    this.#isStarted = true;
    await this.#watch.start();
    this.#want(await this.#parts.changedSince(first.texts));
  }

  /** No further generation comes into service; one that is being built does not either. */
  stop(): void {
    this.#isStopped = true;
    this.#causes.clear();
    this.#watch.stop();
  }

  /**
   * Builds the next generation because of `causes`, whatever the files say; several requests while one is built are
   * one. After `stop` nothing is built.
   */
  request(causes: readonly string[]): void {
    if (this.#isStopped) return;
    this.#isAsked = true;
    this.#want(causes);
  }

  #want(causes: readonly string[]): void {
    if (this.#isStopped) return;
    for (const cause of causes) this.#causes.add(cause);
    if (this.#isBuilding || !this.#isStarted || this.#causes.size === 0) return;
    this.#isBuilding = true;
    void this.#buildAll();
  }

  /** The policy, in whatever thread, read a file, or wrote one: what it writes is not what it depends on. */
  noteFile(path: string, use: 'read' | 'written'): void {
    if (use === 'read' && !this.#written.has(path) && this.#alsoRead.size < MOST_NOTED) {
      this.#alsoRead.add(path);
      void this.#watch.join(path);
    }
    if (use === 'read') return;
    this.#alsoRead.delete(path);
    if (this.#written.size < MOST_NOTED) this.#written.add(path);
  }

  monitoredFiles(): Promise<string[]> {
    return this.#watch.list();
  }

  /** Generations that were switched to, and candidates that were not, since the start. */
  get counts(): Readonly<{ switched: number; failed: number }> {
    return this.#counts;
  }

  get generation(): number {
    return this.#generation;
  }

  async status(): Promise<PolicyStatus> {
    return {
      generation: this.#generation,
      since: new Date(this.#since).toISOString(),
      policy: this.#parts.file,
      files: this.#files(),
      events: [...this.#running.events].sort(),
      monitored_globs: this.#globs(),
      old_generations: await this.#parts.old(),
      is_building: this.#isBuilding,
      failure: this.#failure,
      needs_restart: this.#needsRestart,
    };
  }

  #files(): string[] {
    const paths = [...this.#running.texts.keys()].map((path) => resolve(path));
    return [...new Set([this.#parts.file, ...paths, ...this.#alsoRead])];
  }

  #globs(): string[] {
    const declared = this.#running.declarations.findLast(({ kind }) => kind === 'set_config_monitor_globs');
    if (declared !== undefined) return declared.options as string[];
    const own = dirname(this.#parts.file);
    const folder = own.startsWith(`${KUMO_ETC}/`) ? KUMO_ETC : own;
    return [`${folder}/${PATTERN}`, `${this.#parts.helpersDir}/${PATTERN}`];
  }

  async #buildAll(): Promise<void> {
    while (this.#causes.size > 0) {
      const causes = [...this.#causes];
      const isAsked = this.#isAsked;
      this.#causes.clear();
      this.#isAsked = false;
      try {
        // What was saved before somebody asked is read now; the look at the files need not find it again.
        if (isAsked) await this.#watch.rebase();
        if (isAsked || (await this.#isNews(causes))) await this.#build(causes);
      } catch (error) {
        this.#refuse(causes, error as Error);
      }
    }
    this.#isBuilding = false;
  }

  /**
   * Whether files that were seen to change say anything that the serving generation did not read already. After a
   * failure they always do, so that it goes away.
   */
  async #isNews(paths: readonly string[]): Promise<boolean> {
    if (this.#failure !== null) return true;
    const read = new Map([...this.#running.texts].map(([path, text]) => [resolve(path), text]));
    const known = new Map<string, Uint8Array>();
    for (const path of paths) {
      const text = read.get(path);
      // A file of data, or one that is new: what was read of it, nobody knows.
      if (text === undefined) return true;
      known.set(path, text);
    }
    return (await this.#parts.changedSince(known)).length > 0;
  }

  async #build(causes: readonly string[]): Promise<void> {
    const candidate = await this.#parts.check();
    if (this.#isStopped) return;
    this.#refuseTruncated(candidate);
    const generation = this.#generation + 1;
    await this.#parts.prepare(generation, candidate);
    if (this.#isStopped) return;
    this.#parts.show(generation);
    this.#generation = generation;
    this.#running = candidate;
    this.#since = this.#parts.clock.now();
    this.#failure = null;
    this.#counts.switched++;
    this.#needsRestart = changesThatNeedRestart(this.#started, candidate.declarations);
    const { diagnostics } = this.#parts;
    diagnostics.info('policy', `generation ${generation} serves (${causes.join(', ')})`);
    for (const { declaration, change, where, options } of this.#needsRestart) {
      const which = options === undefined ? '' : ` (${options.join(', ')})`;
      diagnostics.warn('policy', `${where}: ${declaration} was ${change}${which}: this takes a restart`);
    }
  }

  /** A file that was cut off is valid Lua as well; so is an empty one. */
  #refuseTruncated({ events, declarations }: Candidate): void {
    const ofMail = (names: ReadonlySet<string>): boolean =>
      [...names].some((name) => !OF_THE_START.has(name));
    if (ofMail(this.#running.events) && !ofMail(events)) {
      throw new Error(
        `${this.#parts.file}: no handler of mail is left in it; this looks like a truncated file`,
      );
    }
    if (!declarations.some(({ kind }) => kind === 'define_spool')) {
      throw new Error(`${this.#parts.file}: No spools have been defined`);
    }
  }

  #refuse(causes: readonly string[], error: Error): void {
    if (this.#isStopped) return;
    const { clock, diagnostics } = this.#parts;
    this.#counts.failed++;
    this.#failure = {
      at: new Date(clock.now()).toISOString(),
      error: error.message,
      cause: [...causes],
    };
    diagnostics.error(
      'policy',
      `not taken: ${error.message}; generation ${this.#generation} goes on serving`,
    );
  }
}
