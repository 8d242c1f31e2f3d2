import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { frameLength } from '../../src/io/delivery-log/index.ts';
import type { LogRecord } from '../../src/model/index.ts';
import { eventually } from './eventually.ts';

export const launcher = resolve(import.meta.dirname, '../../bin/moonpost.js');

/** How long anything may take before a test gives up, ms. Generous: the machine may be busy. */
const PATIENCE = 120_000;

export interface MoonpostOptions {
  /** Lua text; `DIR` in it becomes the directory of this server. */
  policy: string;
  /** More files beside the policy, by name. */
  files?: Record<string, string>;
  shards?: number;
  /** An existing directory, to restart on its spool. */
  directory?: string;
  args?: string[];
  env?: Record<string, string>;
  /** A command that runs the server, such as strace with its arguments. */
  wrapper?: string[];
  /** `pipe`: the standard output is for the test to read, from `child.stdout`. */
  stdout?: 'pipe';
  /** Another copy of Moonpost than the one in this checkout. */
  launcher?: string;
}

const started = new Set<Moonpost>();

/** A real server process with a directory of its own. */
export class Moonpost {
  readonly directory: string;
  readonly child: ChildProcess;
  /** What it wrote to stderr so far. */
  errors = '';
  /** Ports by `smtp`, `http` and `https`, in the order they were announced. */
  readonly ports = { smtp: [] as number[], http: [] as number[], https: [] as number[] };
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  readonly #wrapped: boolean;
  #ended = false;
  readonly #log: LogReader;

  private constructor(directory: string, child: ChildProcess, wrapped: boolean) {
    this.#wrapped = wrapped;
    this.directory = directory;
    this.child = child;
    this.#log = new LogReader(join(directory, 'log'));
    // `close` rather than `exit`: by then all of stderr has been read.
    this.exited = new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
    void this.exited.then(() => {
      this.#ended = true;
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
  }

  /** Starts a server and waits until it says `initialization complete`. Rejects with its stderr otherwise. */
  static async start(options: MoonpostOptions): Promise<Moonpost> {
    const server = Moonpost.spawn(options);
    await server.waitFor('initialization complete');
    server.findPorts();
    return server;
  }

  /** Reads the ports from what the server announced; for one that was not waited for. */
  findPorts(): void {
    for (const [, kind, port] of this.errors.matchAll(/(smtp|https?) listener on \S+:(\d+)$/gm)) {
      this.ports[kind as 'smtp' | 'http' | 'https'].push(Number(port));
    }
  }

  /** Starts a server without waiting for it. */
  static spawn(options: MoonpostOptions): Moonpost {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'moonpost-'));
    mkdirSync(directory, { recursive: true });
    const policy = join(directory, 'init.lua');
    writeFileSync(policy, options.policy.replaceAll('DIR', directory));
    for (const [name, text] of Object.entries(options.files ?? {})) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
    const shards = String(options.shards ?? 1);
    const args = [
      options.launcher ?? launcher,
      '--policy',
      policy,
      '--shards',
      shards,
      ...(options.args ?? []),
    ];
    const [command, ...rest] = [...(options.wrapper ?? []), process.execPath, ...args];
    const child = spawn(command!, rest, {
      cwd: directory,
      // Start-up is mostly compiling, and tests start many servers.
      env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'moonpost-compile-cache'), ...options.env },
      stdio: ['ignore', options.stdout ?? 'inherit', 'pipe'],
    });
    const server = new Moonpost(directory, child, options.wrapper !== undefined);
    started.add(server);
    return server;
  }

  /** Kills every server that was started and removes their directories; for afterEach. */
  static async disposeAll(): Promise<void> {
    const all = [...started];
    started.clear();
    for (const server of all) await server.dispose();
  }

  /** The first SMTP port. */
  get smtp(): number {
    return this.ports.smtp[0]!;
  }

  /** The first HTTP port. */
  get http(): number {
    return this.ports.http[0]!;
  }

  /** Waits until stderr holds the text. Rejects when the process ends first, or after a minute. */
  async waitFor(text: string): Promise<void> {
    await eventually(
      () => {
        if (this.errors.includes(text)) return true;
        if (!this.#ended) return undefined;
        throw new Error(`moonpost ended before it said '${text}':\n${this.errors}`);
      },
      { patience: PATIENCE, what: () => `moonpost did not say '${text}':\n${this.errors}` },
    );
  }

  /** The process of the server itself; a wrapper is its parent. */
  get pid(): number {
    const pid = this.child.pid!;
    if (!this.#wrapped) return pid;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
  }

  /** Ends the server in order; gives its exit code. Rejects when it has not ended after a minute. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.#ended) process.kill(this.pid, signal);
    return this.ended();
  }

  /** The exit code, once it has ended. Rejects with its stderr when it has not after a minute. */
  async ended(): Promise<number | null> {
    await eventually(() => (this.#ended ? true : undefined), {
      patience: PATIENCE,
      what: () => `moonpost does not end:\n${this.errors}`,
    });
    return (await this.exited).code;
  }

  /** Kills the server without warning. */
  async kill(): Promise<void> {
    if (!this.#ended) process.kill(this.pid, 'SIGKILL');
    await this.exited;
  }

  /** Removes the directory. */
  async dispose(): Promise<void> {
    if (!this.#ended) await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Every record in DIR/log, oldest first. */
  records(): readonly LogRecord[] {
    return this.#log.read();
  }

  /** How many records of each type there are. */
  counts(): Record<string, number> {
    return countTypes(this.records());
  }

  /** Waits until the records satisfy the condition. */
  until(
    condition: (records: readonly LogRecord[]) => boolean,
    patience = PATIENCE,
  ): Promise<readonly LogRecord[]> {
    return eventually(
      () => {
        const records = this.records();
        if (condition(records)) return records;
        if (this.#ended) throw new Error(`moonpost ended, ${JSON.stringify(this.counts())}\n${this.errors}`);
        return undefined;
      },
      {
        patience,
        what: () => `the log did not come to it: ${JSON.stringify(this.counts())}\n${this.errors}`,
      },
    );
  }

  /** Waits until there are at least as many records of each type. */
  untilCounts(wanted: Record<string, number>, patience = PATIENCE): Promise<readonly LogRecord[]> {
    return this.until((records) => {
      const counts = countTypes(records);
      return Object.entries(wanted).every(([type, count]) => (counts[type] ?? 0) >= count);
    }, patience);
  }

  /** Waits until no message is left, by its own metrics. */
  async untilEmpty(): Promise<void> {
    let left = -1;
    await eventually(
      async () => {
        const response = await fetch(`http://127.0.0.1:${this.http}/metrics.json`);
        left = ((await response.json()) as { message_count: { value: number } }).message_count.value;
        return left === 0 ? true : undefined;
      },
      { patience: PATIENCE, what: () => `${left} messages are left\n${this.errors}` },
    );
  }

  /** Anonymous resident memory in bytes. */
  residentMemory(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/RssAnon:\s+(\d+)/.exec(status)![1]) * 1024;
  }
}

export function countTypes(records: readonly LogRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of records) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

/** The records of every complete frame in a log directory, so far. */
export function readRecords(directory: string): readonly LogRecord[] {
  return new LogReader(directory).read();
}

/** Reads what was added to a log directory since the last time; thousands of records cost once. */
class LogReader {
  readonly #directory: string;
  readonly #offsets = new Map<string, number>();
  readonly #records: LogRecord[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  read(): readonly LogRecord[] {
    for (const name of segmentsOf(this.#directory)) {
      const path = join(this.#directory, name);
      const offset = this.#offsets.get(name) ?? 0;
      if (statSync(path).size > offset) this.#offsets.set(name, offset + this.#readFrom(path, offset));
    }
    return this.#records;
  }

  /** Gives the bytes of the complete frames that it took. */
  #readFrom(path: string, offset: number): number {
    const bytes = Buffer.alloc(statSync(path).size - offset);
    const file = openSync(path, 'r');
    const got = readSync(file, bytes, 0, bytes.length, offset);
    closeSync(file);
    let at = 0;
    while (at < got) {
      const length = frameLength(bytes.subarray(0, got), at);
      if (length === undefined) break;
      const lines = zstdDecompressSync(bytes.subarray(at, at + length))
        .toString('utf8')
        .split('\n');
      for (const line of lines) if (line !== '') this.#records.push(JSON.parse(line) as LogRecord);
      at += length;
    }
    return at;
  }
}

function segmentsOf(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => statSync(join(directory, name)).isFile())
      .sort();
  } catch {
    return [];
  }
}

/** Lua text of an init that spools and logs below DIR and listens on free ports. */
export function initLua(extra = '', listener = ''): string {
  return `
local kumo = require 'kumo'
kumo.on('init', function()
  kumo.define_spool { name = 'data', path = 'DIR/spool/data', min_free_space = 0, min_free_inodes = 0 }
  kumo.define_spool { name = 'meta', path = 'DIR/spool/meta', min_free_space = 0, min_free_inodes = 0 }
  kumo.configure_local_logs {
    log_dir = 'DIR/log', headers = { 'Subject' }, meta = { '*' }, min_free_space = 0, min_free_inodes = 0,
  }
  kumo.start_esmtp_listener { listen = '127.0.0.1:0', hostname = 'mx.moonpost.test', ${listener} }
  kumo.start_http_listener { listen = '127.0.0.1:0' }
  ${extra}
end)
`;
}

/** Lua text that sends everything to one port of this machine. */
export function relayLua(port: number, options: { queue?: string; path?: string } = {}): string {
  return `
kumo.on('get_queue_config', function(domain)
  return kumo.make_queue_config {
    protocol = { smtp = { mx_list = { { name = 'sink.test', addr = '127.0.0.1:${port}' } } } },
    ${options.queue ?? ''}
  }
end)
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path { prohibited_hosts = {}, ${options.path ?? ''} }
end)
`;
}
