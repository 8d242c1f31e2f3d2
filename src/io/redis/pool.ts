import { LRUCache } from 'lru-cache';
import {
  connectRedis,
  type RedisClient,
  type RedisEndpoint,
  RedisRefusal,
  type RedisReply,
  withTimeout,
} from './client.ts';

export interface RedisPoolOptions extends RedisEndpoint {
  /** Most connections. */
  pool_size: number;
  /** ms for a connection to become free. */
  wait_timeout: number;
  /** ms for a reply. */
  response_timeout: number;
}

/**
 * Connections to one Redis. A command has a connection to itself until it is answered, so that one that blocks holds up
 * nobody else; a cluster has one set of connections for all. Idle connections do not keep the process alive.
 */
export class RedisPool {
  readonly #options: RedisPoolOptions;
  readonly #idle: RedisClient[] = [];
  readonly #waiting: ((client: RedisClient | undefined) => void)[] = [];
  #size = 0;

  constructor(options: RedisPoolOptions) {
    this.#options = options;
  }

  /** One command. Rejects with the text of the server, or with why there is none. */
  async query(args: readonly (string | Buffer)[]): Promise<RedisReply> {
    const { response_timeout } = this.#options;
    const client = await this.#take();
    client.keepAlive(true);
    try {
      const late = new Error(`no reply within ${response_timeout} ms`);
      const reply = await withTimeout(client.send(args[1], args), response_timeout, late);
      this.#giveBack(client);
      return reply;
    } catch (error) {
      // What the server refuses is an answer too; after anything else the connection is in nobody knows what state.
      if (error instanceof RedisRefusal) this.#giveBack(client);
      else this.#drop(client);
      throw error;
    }
  }

  /** Ends the connections that nobody uses. */
  close(): void {
    for (const client of this.#idle.splice(0)) {
      this.#size--;
      client.destroy();
    }
  }

  async #take(): Promise<RedisClient> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#size < this.#options.pool_size) return this.#open();
    const { wait_timeout } = this.#options;
    const turn = Promise.withResolvers<RedisClient | undefined>();
    this.#waiting.push(turn.resolve);
    const late = new Error(`no connection to Redis was free within ${wait_timeout} ms`);
    const client = await withTimeout(turn.promise, wait_timeout, late).catch((error) => {
      const index = this.#waiting.indexOf(turn.resolve);
      if (index >= 0) this.#waiting.splice(index, 1);
      // It may come free in the moment in which the wait ends.
      else void turn.promise.then((given) => given !== undefined && this.#giveBack(given));
      throw error;
    });
    return client ?? this.#take();
  }

  async #open(): Promise<RedisClient> {
    this.#size++;
    try {
      let client: RedisClient | undefined;
      client = await connectRedis(this.#options, () => {
        const index = client === undefined ? -1 : this.#idle.indexOf(client);
        if (index < 0) return;
        this.#idle.splice(index, 1);
        this.#drop(client!);
      });
      return client;
    } catch (error) {
      this.#size--;
      this.#waiting.shift()?.(undefined);
      throw error;
    }
  }

  #giveBack(client: RedisClient): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next(client);
      return;
    }
    client.keepAlive(false);
    this.#idle.push(client);
  }

  #drop(client: RedisClient): void {
    client.destroy();
    this.#size--;
    // Whoever waits may open another one.
    this.#waiting.shift()?.(undefined);
  }
}

/** Pools of this thread by their options, so that a policy may open in every event. */
const pools = new LRUCache<string, RedisPool>({ max: 64, dispose: (pool) => pool.close() });

/** The pool with these options; connections are made when they are needed. */
export function redisPool(options: RedisPoolOptions): RedisPool {
  const key = JSON.stringify(options);
  let pool = pools.get(key);
  if (pool === undefined) {
    pool = new RedisPool(options);
    pools.set(key, pool);
  }
  return pool;
}

/** Ends idle connections of this thread. */
export function closeRedisPools(): void {
  pools.clear();
}

/**
 * Asks the server for a sign of life. Gives why it is away, or undefined when it is there. Rejects when it is there and
 * refuses us: name or password are wrong, or the URL is none.
 */
export async function pingRedis(endpoint: RedisEndpoint): Promise<string | undefined> {
  let client: RedisClient | undefined;
  try {
    client = await connectRedis(endpoint, () => {});
    const limit = endpoint.connect_timeout;
    await withTimeout(client.send(undefined, ['PING']), limit, new Error(`no reply within ${limit} ms`));
    return undefined;
  } catch (error) {
    const { message } = error as Error;
    if (/^(NOAUTH|WRONGPASS|NOPERM|ERR)\b|^'.*' (is no URL|begins with none)/.test(message)) throw error;
    return message;
  } finally {
    client?.destroy();
  }
}
