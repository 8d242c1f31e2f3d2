import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { requireCommand } from '../kit/peer.ts';

afterEach(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

interface Call {
  name: string;
  /** File or socket, as `-y` names it. */
  path: string;
  text: string;
  entered: number;
  returned: number;
  result: number;
}

/** The calls of a trace in the order in which they returned; a call that was interrupted in the text is put together. */
function parseTrace(trace: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { text: string; entered: number }>();
  trace.split('\n').forEach((line, at) => {
    const [, pid, rest] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (pid === undefined || rest === undefined) return;
    if (rest.endsWith('<unfinished ...>')) {
      unfinished.set(pid, { text: rest.slice(0, -'<unfinished ...>'.length), entered: at });
      return;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
    const begun = unfinished.get(pid);
    if (resumed !== undefined) unfinished.delete(pid);
    const text = resumed === undefined ? rest : (begun?.text ?? '') + resumed;
    const match = /^(\w+)\(\d+<(.*?)>(.*)\) += (-?\d+)/s.exec(text);
    if (match === null) return;
    const entered = resumed === undefined ? at : (begun?.entered ?? at);
    const [name, path, argumentText] = [match[1]!, decoded(match[2]!), decoded(match[3]!)];
    calls.push({ name, path, text: argumentText, entered, returned: at, result: Number(match[4]) });
  });
  return calls;
}

/** What strace writes with -xx. */
function decoded(hex: string): string {
  return hex.replace(/\\x([0-9a-f]{2})/g, (_, pair: string) =>
    String.fromCharCode(Number.parseInt(pair, 16)),
  );
}

const WRITES = new Set(['write', 'writev', 'pwrite64', 'pwritev', 'sendto', 'sendmsg']);
const SYNCS = new Set(['fdatasync', 'fsync']);

/**
 * For every message: what was written of it to the spool, when that was on disk, and when its 250 went out. A
 * sync that began after the last write of the message to that file covers it; it has to have returned before
 * the reply is begun.
 */
function proveOrder(
  calls: readonly Call[],
  spool: string,
  parts: readonly string[],
  ids: readonly string[],
): void {
  const inSpool = (call: Call): boolean =>
    call.path.startsWith(spool) && !/\.(lock|pid)$|nodeid/.test(call.path);
  const writes = calls.filter((call) => WRITES.has(call.name) && inSpool(call));
  const syncs = calls.filter((call) => SYNCS.has(call.name) && call.result === 0 && inSpool(call));
  for (const id of ids) {
    const reply = calls.find(({ name, text }) => WRITES.has(name) && text.includes(`250 OK ids=${id}`));
    expect(reply, `the reply for ${id} is in the trace`).toBeDefined();
    // The Received header names the id in the body; the metadata names it too, as text or as its octets.
    const octets = Buffer.from(id, 'hex').toString('latin1');
    const mine = writes.filter(({ text }) => text.includes(id) || text.includes(octets));
    const files = [...new Set(mine.map(({ path }) => path))];
    for (const part of parts) {
      const isThere = files.some((path) => path.startsWith(join(spool, part)));
      expect(isThere, `${part} of ${id} in ${files}`).toBe(true);
    }
    for (const path of files) {
      const written = mine.find((call) => call.path === path && call.entered < reply!.entered);
      expect(written, `${id} written to ${path} before its reply`).toBeDefined();
      const durable = syncs.find(
        (sync) => sync.path === path && sync.entered > written!.returned && sync.returned < reply!.entered,
      );
      expect(durable, `${path} synced between the write of ${id} and its 250`).toBeDefined();
    }
  }
}

test.each([
  { name: 'the segment log', kind: '', shards: 1, parts: ['data', 'meta'] },
  { name: 'the segment log, two shards', kind: '', shards: 2, parts: ['data', 'meta'] },
  // One file holds all of a message.
  { name: 'LocalDisk', kind: "kind = 'LocalDisk',", shards: 1, parts: ['data'] },
])('all of a message is synced before its 250 is written: $name', async ({ kind, shards, parts }) => {
  const strace = requireCommand('strace', 'apt-get install strace');
  const drop = await MailDrop.start();
  const policy = (initLua() + relayLua(drop.port)).replaceAll(
    /(define_spool .*)min_free_space/g,
    `$1${kind} min_free_space`,
  );
  const calls = [...WRITES, ...SYNCS].join();
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-'));
  const path = join(directory, 'trace');
  const wrapper = [strace, '-f', '-y', '-xx', '-s', '65536', '-e', `trace=${calls}`, '-o', path];
  const server = await Moonpost.start({ policy, shards, wrapper, directory });
  const { accepted } = await inject(server.smtp, { count: 60, sessions: 12, size: 500 });
  expect(accepted.size).toBe(60);
  await drop.until(60);
  await server.stop();
  const trace = readFileSync(path, 'latin1');
  proveOrder(parseTrace(trace), join(directory, 'spool'), parts, [...accepted.values()]);
});
