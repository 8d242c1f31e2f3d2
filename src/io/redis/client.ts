import type { RedisArgument } from 'redis';

/** What a reply is made of: bulk strings are bytes, simple strings are text. */
export type RedisReply = null | number | string | Buffer | RedisReply[];

/** The server answered with an error. `code` is its first word, such as `NOSCRIPT`. */
export class RedisRefusal extends Error {
  override readonly name = 'RedisRefusal';

  get code(): string {
    return this.message.split(' ', 1)[0]!;
  }
}

export interface RedisEndpoint {
  node: string | readonly string[];
  cluster: boolean | undefined;
  username: string | undefined;
  password: string | undefined;
  read_from_replicas: boolean;
  /** ms for connecting, with all that belongs to it. */
  connect_timeout: number;
}

/** One open connection, or those to the nodes of a cluster. Commands go out without waiting for earlier replies. */
export interface RedisClient {
  /** `key` says which node of a cluster has it. Rejects with RedisRefusal when the server says no. */
  send(key: string | Buffer | undefined, args: readonly RedisArgument[]): Promise<RedisReply>;
  /** Whether the connection keeps the process alive. */
  keepAlive(on: boolean): void;
  /** Ends it at once; what is not answered yet is rejected. */
  destroy(): void;
}

/** Text of the endpoint for people, without the password. */
export function describeEndpoint({ node }: Pick<RedisEndpoint, 'node'>): string {
  const nodes = typeof node === 'string' ? [node] : node;
  return nodes.map((url) => url.replace(/\/\/[^@/]*@/, '//')).join(', ');
}

/** Connects. `onLost` is called once when the connection ends by itself. Rejects when there is none in time. */
export async function connectRedis(
  endpoint: RedisEndpoint,
  onLost: (why: Error) => void,
): Promise<RedisClient> {
  const isCluster = endpoint.cluster ?? typeof endpoint.node !== 'string';
  const open = isCluster ? await openCluster(endpoint, onLost) : await openSingle(endpoint, onLost);
  const { client, connected } = open;
  const late = new Error(`no connection within ${endpoint.connect_timeout} ms`);
  await withTimeout(connected, endpoint.connect_timeout, late).catch((error) => {
    client.destroy();
    throw error;
  });
  return client;
}

/** Rejects with `late` when `promise` takes longer than `limit` ms. What comes then is ignored. */
export function withTimeout<T>(promise: Promise<T>, limit: number, late: Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // When this thread was busy the reply may be there already; a turn of the event loop reads it.
      setImmediate(() => setImmediate(() => reject(late)));
    }, limit);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Where a node is; URLs of Unix sockets are ours, the package knows none. */
function placeOf(node: string): { url: string } | { socket: { path: string; tls: false }; database: number } {
  let url: URL;
  try {
    url = new URL(node);
  } catch {
    throw new Error(`'${node}' is no URL such as redis://127.0.0.1:6379`);
  }
  switch (url.protocol) {
    case 'redis:':
    case 'rediss:':
      return { url: node };
    case 'unix:':
    case 'redis+unix:':
      return {
        socket: { path: decodeURIComponent(url.pathname), tls: false },
        database: Number(url.searchParams.get('db') ?? 0),
      };
    default:
      throw new Error(`'${node}' begins with none of redis://, rediss:// and redis+unix://`);
  }
}

interface Opening {
  client: RedisClient;
  connected: Promise<unknown>;
}

/** The package is loaded on first use: who has no Redis should not wait for it. */
async function openSingle(endpoint: RedisEndpoint, onLost: (why: Error) => void): Promise<Opening> {
  const place = placeOf(endpoint.node as string);
  const { createClient, RESP_TYPES, ErrorReply } = await import('redis');
  const { username, password } = endpoint;
  const client = createClient({
    ...place,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    RESP: 2,
    disableOfflineQueue: true,
    socket: {
      ...('socket' in place ? place.socket : {}),
      connectTimeout: endpoint.connect_timeout,
      // A lost connection is for those who know what it was used for.
      reconnectStrategy: false,
    } as NonNullable<NonNullable<Parameters<typeof createClient>[0]>['socket']>,
  });
  let lost = false;
  client.on('error', (error: Error) => {
    if (lost) return;
    lost = true;
    onLost(error);
  });
  const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
  return {
    connected: client.connect(),
    client: {
      send: (_key, args) =>
        (client.sendCommand(args as RedisArgument[], { typeMapping }) as Promise<unknown>).catch((error) => {
          throw error instanceof ErrorReply ? new RedisRefusal(error.message) : error;
        }) as Promise<RedisReply>,
      keepAlive: (on) => (on ? client.ref() : client.unref()),
      destroy: () => {
        lost = true;
        if (client.isOpen) client.destroy();
      },
    },
  };
}

async function openCluster(endpoint: RedisEndpoint, onLost: (why: Error) => void): Promise<Opening> {
  const nodes = typeof endpoint.node === 'string' ? [endpoint.node] : endpoint.node;
  const rootNodes = nodes.map(placeOf);
  const { createCluster, RESP_TYPES, ErrorReply } = await import('redis');
  const { username, password } = endpoint;
  const cluster = createCluster({
    rootNodes,
    RESP: 2,
    useReplicas: endpoint.read_from_replicas,
    defaults: {
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      disableOfflineQueue: true,
      socket: { connectTimeout: endpoint.connect_timeout },
    },
  });
  let lost = false;
  // Nodes of a cluster come and go; it is lost when none is left, which a command finds out.
  cluster.on('error', (error: Error) => {
    if (lost || !/root nodes/i.test(error.message)) return;
    lost = true;
    onLost(error);
  });
  const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
  const send: RedisClient['send'] = (key, args) =>
    cluster
      .sendCommand<RedisReply>(key, undefined, args as RedisArgument[], { typeMapping } as object)
      .catch((error) => {
        throw error instanceof ErrorReply ? new RedisRefusal(error.message) : error;
      });
  return {
    connected: cluster.connect(),
    client: {
      send,
      keepAlive: () => {},
      destroy: () => {
        lost = true;
        cluster.destroy();
      },
    },
  };
}
