import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../kit/eventually.ts';
import { requireCommand } from '../kit/peer.ts';

const INSTALL = 'apt-get install postfix';
const children: ChildProcess[] = [];
const directories: string[] = [];

/** Ends what was started and removes what was written; for afterEach. */
export async function endPostfixTools(): Promise<void> {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const closed = once(child, 'close');
    child.kill();
    await closed;
  }
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
}

/** A port that was free a moment ago, for peers that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

/** smtp-sink: counts, and keeps what it got. */
export class SmtpSink {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #dumps: string;
  #tail = '';

  private constructor(port: number, child: ChildProcess, dumps: string) {
    this.port = port;
    this.#child = child;
    this.#dumps = dumps;
    // `-c` makes it write `sess=N quit=N mesg=N` over and over.
    child.stdout!.setEncoding('latin1').on('data', (text: string) => {
      this.#tail = (this.#tail + text).slice(-300);
    });
  }

  static async start(): Promise<SmtpSink> {
    const command = requireCommand('smtp-sink', INSTALL);
    const port = await freePort();
    const dumps = mkdtempSync(join(tmpdir(), 'smtp-sink-'));
    directories.push(dumps);
    chmodSync(dumps, 0o777);
    // As root it insists on becoming somebody else.
    const user = process.geteuid?.() === 0 ? ['-u', 'nobody'] : [];
    const args = ['-4', ...user, '-c', '-m', '2000', '-d', `${dumps}/%H%M%S.`, `127.0.0.1:${port}`, '1000'];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    const sink = new SmtpSink(port, child, dumps);
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`smtp-sink ended with ${child.exitCode}`);
      return (await accepts(port)) ? true : undefined;
    });
    return sink;
  }

  /** Complete messages so far. */
  get messages(): number {
    return Number([...this.#tail.matchAll(/mesg=(\d+)/g)].at(-1)?.[1] ?? 0);
  }

  /** Waits for that many messages. */
  async until(count: number): Promise<void> {
    await eventually(() => (this.messages >= count ? true : undefined), {
      patience: 120_000,
      what: () => `smtp-sink got ${this.messages} of ${count} messages`,
    });
  }

  /** Ends it and gives the ids in the Received headers of all it got, one entry for each time. */
  async ids(): Promise<string[]> {
    const closed = once(this.#child, 'close');
    this.#child.kill();
    await closed;
    const ids: string[] = [];
    for (const name of readdirSync(this.#dumps)) {
      const text = readFileSync(join(this.#dumps, name), 'latin1');
      for (const [, id] of text.matchAll(/^ +with ESMTP id ([0-9a-f]{32}) for /gm)) ids.push(id!);
    }
    return ids;
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
  socket.destroy();
  return connected;
}

/** smtp-source at work. */
export class SmtpSource {
  /** Ids that it was given with a 250. */
  readonly ids: string[] = [];
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  #rest = '';

  /** Starts it. Only `-v` makes it tell the replies it got, and it is much slower then. */
  constructor(port: number, count: number, { sessions = 20, verbose = false } = {}) {
    const command = requireCommand('smtp-source', INSTALL);
    const load = ['-4', '-d', '-N', '-s', String(sessions), '-l', '2048', '-m', String(count)];
    const envelope = ['-f', 'from@bench.example', '-t', 'to@dest.example'];
    const args = [...(verbose ? ['-v'] : []), ...load, ...envelope, `127.0.0.1:${port}`];
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(child);
    child.stderr.setEncoding('latin1').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop()!;
      for (const line of lines) {
        const id = /<<< 250 OK ids=([0-9a-f]{32})$/.exec(line)?.[1];
        if (id !== undefined) this.ids.push(id);
      }
    });
    this.ended = once(child, 'close').then(([code]) => code as number | null);
  }
}
