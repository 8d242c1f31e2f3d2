import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian puts commands that only root is thought to need. */
const MORE = ['/usr/sbin', '/usr/local/sbin', '/sbin'];

/** The path of a command of another product. Throws with the line that installs it when it is missing. */
export function requireCommand(name: string, install: string): string {
  for (const directory of [...(process.env.PATH ?? '').split(delimiter), ...MORE]) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  throw new Error(`${name} is missing; install it with: ${install}`);
}

/** Runs a peer to its end. */
export function runPeer(
  command: string,
  args: readonly string[],
  options: { input?: string | Buffer; cwd?: string; env?: NodeJS.ProcessEnv } = {},
): { code: number | null; output: string; errors: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 150_000,
    maxBuffer: 1 << 28,
    ...options,
  });
  if (error !== undefined) throw error;
  return { code: status, output: stdout, errors: stderr };
}
