import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { frameLength } from '../../src/io/delivery-log/index.ts';
import type { LogRecord } from '../../src/model/index.ts';

const launcher = resolve(import.meta.dirname, '../../bin/moonpost.js');

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
}

/** A real server process with a directory of its own. */
export class Moonpost {
  readonly directory: string;
  readonly child: ChildProcess;
  /** What it wrote to stderr so far. */
  errors = '';
  /** Ports by `smtp` and `http`, in the order they were announced. */
  readonly ports = { smtp: [] as number[], http: [] as number[] };
  readonly exited: Promise<{ code: number | null; signal: string | null }>;

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory;
    this.child = child;
    this.exited = new Promise((done) => child.once('exit', (code, signal) => done({ code, signal })));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
  }

  /** Starts a server and waits until it says `initialization complete`. Rejects with its stderr otherwise. */
  static async start(options: MoonpostOptions): Promise<Moonpost> {
    const server = Moonpost.spawn(options);
    await server.waitFor('initialization complete');
    for (const [, kind, port] of server.errors.matchAll(/(smtp|http) listener on \S+:(\d+)$/gm)) {
      server.ports[kind as 'smtp' | 'http'].push(Number(port));
    }
    return server;
  }

  /** Starts a server without waiting for it. */
  static spawn(options: MoonpostOptions): Moonpost {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'moonpost-'));
    mkdirSync(directory, { recursive: true });
    const policy = join(directory, 'init.lua');
    writeFileSync(policy, options.policy.replaceAll('DIR', directory));
    for (const [name, text] of Object.entries(options.files ?? {})) writeFileSync(join(directory, name), text);
    const args = [launcher, '--policy', policy, '--shards', String(options.shards ?? 1), ...(options.args ?? [])];
    const [command, ...rest] = [...(options.wrapper ?? []), process.execPath, ...args];
    const child = spawn(command!, rest, {
      cwd: directory,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    return new Moonpost(directory, child);
  }

  /** The first SMTP port. */
  get smtp(): number {
    return this.ports.smtp[0]!;
  }

  /** Waits until stderr holds the text. Rejects when the process ends first. */
  async waitFor(text: string): Promise<void> {
    while (!this.errors.includes(text)) {
      const ended = await Promise.race([this.exited, new Promise<void>((done) => this.child.stderr!.once('data', () => done()))]);
      if (ended !== undefined && !this.errors.includes(text)) {
        throw new Error(`moonpost ended (${JSON.stringify(ended)}) before it said '${text}':\n${this.errors}`);
      }
    }
  }

  /** Ends the server in order; gives its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return (await this.exited).code;
  }

  /** Kills the server without warning. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** Removes the directory. */
  async dispose(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Every record in DIR/log, oldest first. */
  records(): LogRecord[] {
    return readRecords(join(this.directory, 'log'));
  }

  /** How many records of each type there are. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { type } of this.records()) counts[type] = (counts[type] ?? 0) + 1;
    return counts;
  }

  /** Waits until the records satisfy the condition; looks when the log grows. */
  async until(condition: (records: LogRecord[]) => boolean, patience = 15_000): Promise<LogRecord[]> {
    const end = performance.now() + patience;
    for (;;) {
      const records = this.records();
      if (condition(records)) return records;
      if (performance.now() > end) {
        throw new Error(`the log did not come to it: ${JSON.stringify(this.counts())}\n${this.errors}`);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** Anonymous resident memory in bytes. */
  residentMemory(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/RssAnon:\s+(\d+)/.exec(status)![1]) * 1024;
  }
}

/** The records of every complete frame in a log directory. */
export function readRecords(directory: string): LogRecord[] {
  const records: LogRecord[] = [];
  for (const name of existing(directory).sort()) {
    const bytes = readFileSync(join(directory, name));
    for (let at = 0; at < bytes.length; ) {
      const length = frameLength(bytes, at);
      if (length === undefined) break;
      const lines = zstdDecompressSync(bytes.subarray(at, at + length)).toString('utf8').split('\n');
      for (const line of lines) if (line !== '') records.push(JSON.parse(line) as LogRecord);
      at += length;
    }
  }
  return records;
}

function existing(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => statSync(join(directory, name)).isFile());
  } catch {
    return [];
  }
}

/** Lua text of an init that spools and logs below DIR and listens on free ports. */
export function initLua(extra = ''): string {
  return `
local kumo = require 'kumo'
kumo.on('init', function()
  kumo.define_spool { name = 'data', path = 'DIR/spool/data', min_free_space = 0, min_free_inodes = 0 }
  kumo.define_spool { name = 'meta', path = 'DIR/spool/meta', min_free_space = 0, min_free_inodes = 0 }
  kumo.configure_local_logs { log_dir = 'DIR/log', headers = { 'Subject' }, meta = { '*' }, min_free_space = 0 }
  kumo.start_esmtp_listener { listen = '127.0.0.1:0', hostname = 'mx.moonpost.test' }
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
