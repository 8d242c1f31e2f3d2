import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { eventually } from './eventually.ts';
import { requireCommand } from './peer.ts';

const started = new Set<RedisServer>();

/** A real redis-server that keeps nothing on disk, on a port of its own. */
export class RedisServer {
  readonly port: number;
  readonly #args: readonly string[];
  #child: ChildProcess;

  private constructor(port: number, args: readonly string[], child: ChildProcess) {
    this.port = port;
    this.#args = args;
    this.#child = child;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/`;
  }

  static async start(port: number, ...args: string[]): Promise<RedisServer> {
    const server = new RedisServer(port, args, launch(port, args));
    started.add(server);
    await server.#answers();
    return server;
  }

  /** SIGSTOP: connections stay open and nothing is answered. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGKILL: everything is forgotten. */
  async kill(): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }

  /** Starts it again on the same port. */
  async restart(): Promise<void> {
    this.#child = launch(this.port, this.#args);
    await this.#answers();
  }

  static async killAll(): Promise<void> {
    const all = [...started];
    started.clear();
    for (const server of all) {
      if (server.#child.exitCode === null && server.#child.signalCode === null) await server.kill();
    }
  }

  async #answers(): Promise<void> {
    await eventually(() => ping(this.port), {
      what: () => `redis-server on port ${this.port} does not answer`,
    });
  }
}

function launch(port: number, args: readonly string[]): ChildProcess {
  const command = requireCommand('redis-server', 'apt-get install redis-server');
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  return spawn(command, [...fixed, ...args], { stdio: 'ignore' });
}

/** True when it answers, be it that a password is wanted. */
async function ping(port: number): Promise<true | undefined> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write('PING\r\n');
    const [reply] = (await once(socket, 'data')) as [Buffer];
    return /^(\+PONG|-NOAUTH)/.test(String(reply)) ? true : undefined;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
