import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../model/index.ts';
import { type RedisClient, RedisRefusal, type RedisReply } from './client.ts';

/** Redis is away; whoever asked has to do without. */
export class RedisAway extends Error {
  override readonly name = 'RedisAway';
}

/** A script in the Lua of Redis, called with one key. */
export class RedisScript {
  readonly text: string;
  readonly sha: string;

  constructor(text: string) {
    this.text = text;
    this.sha = createHash('sha1').update(text).digest('hex');
  }
}

export interface RedisLinkParts {
  /** Connects; calls `onLost` when the connection ends by itself. */
  connect(onLost: (why: Error) => void): Promise<RedisClient>;
  clock: Clock;
  /** In [0, 1); spreads the tries of several nodes. */
  random(): number;
  /** ms that a reply may take. */
  responseTimeout: number;
  /** Asked of a fresh connection before it counts; a rejection means that Redis is not there yet. */
  prepare(commands: RedisCommands): Promise<void>;
  onUp(): void;
  onAway(why: string): void;
  /** Every operation, for metrics. */
  onOperation?(operation: string, status: 'ok' | 'error', milliseconds: number): void;
}

/** Ways to ask Redis. Both reject with RedisAway, at the latest after the response timeout, or with RedisRefusal. */
export interface RedisCommands {
  /** One command; `key` says which node of a cluster is asked. */
  send(key: string | undefined, args: readonly string[]): Promise<RedisReply>;
  run(script: RedisScript, key: string, args: readonly string[]): Promise<RedisReply>;
}

/** ms between tries to reach a Redis that is away, give or take a quarter. */
const RETRY = 1000;

/** The server is there and cannot serve: as good as away. */
const UNABLE = new Set([
  ...['LOADING', 'READONLY', 'OOM', 'MISCONF', 'MASTERDOWN', 'CLUSTERDOWN', 'BUSY', 'NOAUTH', 'NOPERM'],
  ...['TRYAGAIN', 'NOREPLICAS'],
]);

/** Redis as those see it who can do without. */
export interface RedisPort extends RedisCommands {
  readonly isUp: boolean;
  /** Redis is of no use as it is: counts as away until a fresh connection shows otherwise. */
  reportFailure(why: string): void;
}

/**
 * One connection to Redis that fails fast.
 * away → up → away … → closed. `away` from the start, and from the first reply that is late, lost or says that the
 * server cannot serve; then everything is rejected at once, and a fresh connection is tried about every second.
 * `up` when such a connection has answered what `prepare` asked.
 */
export class RedisLink implements RedisPort {
  readonly #parts: RedisLinkParts;
  #client: RedisClient | undefined;
  #state: 'away' | 'up' | 'closed' = 'away';
  #timer: Timer | undefined;
  /** Oldest first: replies come in the order of the commands. */
  readonly #waiting = new Map<number, { since: number; reject: (error: Error) => void }>();
  #number = 0;
  #hasTried = false;
  #watch: Timer | undefined;

  constructor(parts: RedisLinkParts) {
    this.#parts = parts;
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** Tries to connect once, and goes on in the background when that fails. Never rejects. */
  async start(): Promise<void> {
    let client: RedisClient | undefined;
    let lost: Error | undefined;
    try {
      client = await this.#parts.connect((why) => {
        lost = why;
        if (client !== undefined && client === this.#client) this.#fail(why.message);
      });
      await this.#parts.prepare(this.#preparing(client));
      if (lost !== undefined) throw lost;
    } catch (error) {
      client?.destroy();
      this.#retryLater();
      if (!this.#hasTried && this.#state !== 'closed') this.#parts.onAway((error as Error).message);
      return;
    } finally {
      this.#hasTried = true;
    }
    if (this.#state === 'closed') {
      client.destroy();
      return;
    }
    this.#client = client;
    this.#state = 'up';
    this.#parts.onUp();
  }

  run(script: RedisScript, key: string, args: readonly string[]): Promise<RedisReply> {
    return runScript((command) => this.send(key, command), script, key, args);
  }

  send(key: string | undefined, args: readonly string[]): Promise<RedisReply> {
    const client = this.#client;
    if (client === undefined) return Promise.reject(new RedisAway('Redis is away'));
    const number = this.#number++;
    const since = this.#parts.clock.monotonic();
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { since, reject });
      this.#watch ??= this.#parts.clock.after(this.#parts.responseTimeout, this.#look);
      const done = (status: 'ok' | 'error'): void => {
        this.#waiting.delete(number);
        this.#parts.onOperation?.(args[0]!, status, this.#parts.clock.monotonic() - since);
      };
      client.send(key, args).then(
        (reply) => {
          done('ok');
          resolve(reply);
        },
        (error: Error) => {
          const wasWaiting = this.#waiting.has(number);
          done('error');
          if (error instanceof RedisRefusal && !UNABLE.has(error.code)) reject(error);
          else {
            reject(new RedisAway(error.message));
            if (wasWaiting && client === this.#client) this.#fail(error.message);
          }
        },
      );
    });
  }

  reportFailure(why: string): void {
    this.#fail(why);
  }

  close(): void {
    this.#state = 'closed';
    this.#timer?.cancel();
    this.#drop('closed');
  }

  #preparing(client: RedisClient): RedisCommands {
    const { clock, responseTimeout } = this.#parts;
    const late = new RedisAway(`no reply within ${responseTimeout} ms`);
    const send: RedisCommands['send'] = (key, command) =>
      new Promise((resolve, reject) => {
        const timer = clock.after(responseTimeout, () => reject(late));
        client
          .send(key, command)
          .then(resolve, reject)
          .finally(() => timer.cancel());
      });
    return {
      send,
      run: (script, key, args) => runScript((command) => send(key, command), script, key, args),
    };
  }

  /** Looks whether the oldest command has waited too long. One timer for all of them. */
  readonly #look = (): void => {
    this.#watch = undefined;
    const [number, oldest] = this.#waiting.entries().next().value ?? [];
    if (oldest === undefined) return;
    const { clock, responseTimeout } = this.#parts;
    const left = oldest.since + responseTimeout - clock.monotonic();
    if (left > 0) {
      this.#watch = clock.after(left, this.#look);
      return;
    }
    // When this thread was busy the reply may be there already; two turns of the event loop read it.
    this.#watch = clock.after(0, () => {
      this.#watch = clock.after(0, () => {
        this.#watch = undefined;
        if (this.#waiting.has(number!)) this.#fail(`no reply within ${responseTimeout} ms`);
        else this.#look();
      });
    });
  };

  #fail(why: string): void {
    if (this.#state !== 'up') return;
    this.#state = 'away';
    this.#drop(why);
    this.#retryLater();
    this.#parts.onAway(why);
  }

  #drop(why: string): void {
    const client = this.#client;
    this.#client = undefined;
    this.#watch?.cancel();
    this.#watch = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    client?.destroy();
    for (const { reject } of waiting) reject(new RedisAway(why));
  }

  #retryLater(): void {
    if (this.#state === 'closed') return;
    const delay = RETRY * (0.75 + this.#parts.random() / 2);
    this.#timer = this.#parts.clock.after(delay, () => void this.start());
  }
}

async function runScript(
  send: (command: readonly string[]) => Promise<RedisReply>,
  script: RedisScript,
  key: string,
  args: readonly string[],
): Promise<RedisReply> {
  try {
    return await send(['EVALSHA', script.sha, '1', key, ...args]);
  } catch (error) {
    if (!(error instanceof RedisRefusal) || error.code !== 'NOSCRIPT') throw error;
    return await send(['EVAL', script.text, '1', key, ...args]);
  }
}
