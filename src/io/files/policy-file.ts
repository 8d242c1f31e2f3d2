import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** The bytes of a regular file, or undefined where there is none. Other failures are thrown. */
export function readFileIfPresent(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
    throw error;
  }
}

/** Whether `path` names a regular file (following links). */
export function isRegularFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** Which of these files, by path, do not say that (any more). */
export async function changedFiles(texts: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
  const changed: string[] = [];
  for (const [path, text] of texts) {
    const now = await readFile(path).catch(() => undefined);
    if (now === undefined || !now.equals(text)) changed.push(path);
  }
  return changed;
}
