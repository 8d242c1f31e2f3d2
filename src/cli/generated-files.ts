import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GENERATED_FOLDERS, generatedFiles } from './reference/index.ts';

const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

/** A generated file that is not as it should be. */
export interface StaleFile {
  /** Relative to the package. */
  path: string;
  why: 'missing' | 'differs' | 'not generated any more';
}

/** Compares policy/types and policy/reference with what the declarations give, in both directions. */
export function staleFiles(directory = PACKAGE): StaleFile[] {
  const wanted = generatedFiles();
  const present = new Set(GENERATED_FOLDERS.flatMap((folder) => filesIn(directory, folder)));
  const stale: StaleFile[] = [];
  for (const [path, text] of wanted) {
    if (!present.has(path)) stale.push({ path, why: 'missing' });
    else if (readFileSync(join(directory, path), 'utf8') !== text) stale.push({ path, why: 'differs' });
  }
  for (const path of present) if (!wanted.has(path)) stale.push({ path, why: 'not generated any more' });
  return stale;
}

function filesIn(directory: string, folder: string): string[] {
  try {
    return readdirSync(join(directory, folder)).map((name) => `${folder}/${name}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export interface GenerateOptions {
  check: boolean;
  /** Default: the package that this is part of. */
  directory?: string;
  /** Takes a line per file; default standard error. */
  say?: (line: string) => void;
}

function sayOnStandardError(line: string): void {
  process.stderr.write(`${line}\n`);
}

/**
 * Writes policy/types and policy/reference from the declarations; with `check` only compares. Returns the exit
 * status: 1 when a check found a stale file, which it names.
 */
export function generate({ check, directory = PACKAGE, say = sayOnStandardError }: GenerateOptions): number {
  const wanted = generatedFiles();
  const stale = staleFiles(directory);
  for (const { path, why } of stale) {
    if (check) say(`${path}: ${why}; run \`npm run generate\``);
    else if (why === 'not generated any more') rmSync(join(directory, path));
    else {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), wanted.get(path)!);
      say(`${path}: written`);
    }
  }
  return check && stale.length > 0 ? 1 : 0;
}
