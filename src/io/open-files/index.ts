import { readFileSync } from 'node:fs';

/** Files and connections that a server should be able to have open; with fewer, operators are told. */
const ENOUGH = 8192;

/**
 * How many files and connections this process may have open. Node raises the soft limit to the hard one when it
 * starts, so it is the hard one that counts. Undefined where the system does not say, or there is no limit.
 */
export function openFileLimit(limits: string | undefined = readLimits()): number | undefined {
  const found = /^Max open files\s+(\d+)/m.exec(limits ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
}

/** What to tell the operator of that limit; undefined when it is enough. */
export function openFileAdvice(limit: number | undefined): string | undefined {
  if (limit === undefined || limit >= ENOUGH) return undefined;
  const what = `at most ${limit} files and connections can be open at a time, each connection in or out is one`;
  return `${what}: raise the hard limit to ${ENOUGH * 8} or more (ulimit -Hn, or LimitNOFILE= of systemd)`;
}

function readLimits(): string | undefined {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return undefined;
  }
}
