import { readFileSync } from 'node:fs';
import type { Diagnostics } from '../../model/index.ts';

/**
 * Becomes `user`, in every thread of the process. To be called when all ports are bound and nothing else is
 * open yet. As root without a user: one WARN, and on as root. Throws when the user is unknown, or when only
 * root could become it.
 */
export function dropPrivileges(user: string | undefined, diagnostics: Diagnostics): void {
  const isRoot = process.geteuid?.() === 0;
  if (user === undefined) {
    if (isRoot) diagnostics.warn('kumod', 'running as root: give --user NAME to run as somebody else');
    return;
  }
  if (!isRoot) {
    requireSelf(user);
    return;
  }
  if (user === 'root') return;
  try {
    const group = primaryGroup(user);
    // The groups of root would otherwise stay with us.
    process.setgroups?.([group]);
    process.setgid?.(group);
    process.setuid?.(user);
  } catch (error) {
    throw new Error(`--user ${user}: ${(error as Error).message}`);
  }
}

/** Does something as `user` would, before privileges are given up; what it makes then belongs to the user. */
export function asUser<T>(user: string | undefined, action: () => T): T {
  if (user === undefined || process.geteuid?.() !== 0) return action();
  try {
    process.setegid?.(primaryGroup(user));
    process.seteuid?.(user);
  } catch (error) {
    process.setegid?.(0);
    throw new Error(`--user ${user}: ${(error as Error).message}`);
  }
  try {
    return action();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** Without root, only the user one already is can be asked for. */
function requireSelf(user: string): void {
  const before = process.geteuid?.();
  try {
    process.seteuid?.(user);
  } catch (error) {
    throw new Error(`--user ${user}: ${(error as Error).message}`);
  }
  if (process.geteuid?.() !== before) throw new Error(`--user ${user}: only root can become another user`);
}

function primaryGroup(user: string): number {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((entry) => entry.split(':'))
    .find(([name, , id]) => name === user || id === user);
  if (line === undefined) throw new Error('no such user');
  return Number(line[3]);
}
