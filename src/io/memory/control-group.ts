import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What a control group of Linux says of the memory of its processes, in bytes. */
export interface GroupMemory {
  hard: number;
  /** Where the system begins to take memory back (`memory.high`). */
  soft: number | undefined;
  /** What its processes need: without the pages of files that can be read again. Undefined when it cannot be read. */
  usage(): number | undefined;
}

/** Reads a file; undefined when it cannot be read. */
export type ReadFile = (path: string) => string | undefined;

/** `memory.limit_in_bytes` without a limit is the largest number of whole pages. */
const NO_LIMIT = 2 ** 62;

/** The nearest control group around this process that has a limit, version 2 before version 1. */
export function controlGroupMemory(read: ReadFile = readOrNothing): GroupMemory | undefined {
  const groups = (read('/proc/self/cgroup') ?? '')
    .split('\n')
    .map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line));
  const second = groups.find((group) => group?.[1] === '');
  const first = groups.find((group) => group?.[1]?.split(',').includes('memory'));
  return (
    limited('/sys/fs/cgroup', second?.[2], (path) => version2(path, read)) ??
    limited('/sys/fs/cgroup/memory', first?.[2], (path) => version1(path, read))
  );
}

/** Looks from the group up. In a container its own group may be mounted as the topmost one. */
function limited(
  root: string,
  group: string | undefined,
  look: (path: string) => GroupMemory | undefined,
): GroupMemory | undefined {
  if (group === undefined) return undefined;
  for (let path = group; ; path = dirname(path)) {
    const found = look(join(root, path));
    if (found !== undefined || path === '/') return found;
  }
}

function version2(path: string, read: ReadFile): GroupMemory | undefined {
  const hard = numberIn(read(join(path, 'memory.max')));
  const soft = numberIn(read(join(path, 'memory.high')));
  if (hard === undefined && soft === undefined) return undefined;
  const usage = (): number | undefined => {
    const stat = read(join(path, 'memory.stat'));
    return workingSet(read(join(path, 'memory.current')), field(stat, 'inactive_file'), field(stat, 'anon'));
  };
  return { hard: hard ?? soft!, soft, usage };
}

function version1(path: string, read: ReadFile): GroupMemory | undefined {
  const hard = numberIn(read(join(path, 'memory.limit_in_bytes')));
  if (hard === undefined) return undefined;
  const usage = (): number | undefined => {
    const stat = read(join(path, 'memory.stat'));
    const current = read(join(path, 'memory.usage_in_bytes'));
    return workingSet(current, field(stat, 'total_inactive_file'), field(stat, 'total_rss'));
  };
  return { hard, soft: numberIn(read(join(path, 'memory.soft_limit_in_bytes'))), usage };
}

function workingSet(current: string | undefined, inactiveFile: number, anon: number): number | undefined {
  const all = numberIn(current);
  return all === undefined ? undefined : Math.max(all - inactiveFile, anon);
}

/** Undefined for `max`, and for what is no number. */
function numberIn(text: string | undefined): number | undefined {
  const value = text === undefined ? Number.NaN : Number.parseInt(text, 10);
  return Number.isNaN(value) || value >= NO_LIMIT ? undefined : value;
}

function field(stat: string | undefined, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat ?? '')?.[1] ?? 0);
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
