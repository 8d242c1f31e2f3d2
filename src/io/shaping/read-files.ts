import { resolve } from 'node:path';
import { LRUCache } from 'lru-cache';
import { isRemoteName, ShapingFile, type ShapingInput } from '../../model/shaping/index.ts';
import { readWholeFile } from '../files/index.ts';
import { HttpClient } from '../http-client/index.ts';

export interface ReadOptions {
  readonly skipRemote: boolean;
  /** ms for each URL. */
  readonly httpTimeout: number;
}

/** The last good text of each URL. */
export type RemoteCopies = LRUCache<string, ShapingFile>;

const MOST_COPIES = 100;

export function remoteCopies(): RemoteCopies {
  return new LRUCache({ max: MOST_COPIES });
}

const client = new HttpClient({ userAgent: 'moonpost' });

/**
 * Reads shaping files and URLs, all at once. A name that is listed again counts at its last place alone. A URL that
 * cannot be fetched, or whose text cannot be decoded, is replaced by its last good copy. Never rejects.
 */
export function readShapingFiles(
  names: readonly string[],
  options: ReadOptions,
  copies: RemoteCopies,
): Promise<ShapingInput[]> {
  const keys = names.map((name) => (isRemoteName(name) ? name : resolve(name)));
  const once = names.filter((_, index) => keys.lastIndexOf(keys[index]!) === index);
  return Promise.all(once.map((name) => (isRemoteName(name) ? fetched(name, options, copies) : read(name))));
}

async function read(path: string): Promise<ShapingInput> {
  try {
    return { file: new ShapingFile(path, (await readWholeFile(path)).toString()) };
  } catch (error) {
    const text = `local shaping source ${path} error: ${(error as Error).message}`;
    return { file: new ShapingFile(path), failure: { rule: 'unreadable-file', text } };
  }
}

async function fetched(url: string, options: ReadOptions, copies: RemoteCopies): Promise<ShapingInput> {
  if (options.skipRemote) {
    const text = `Ignoring ${url} because skip_remote is set to true`;
    return { file: new ShapingFile(url), failure: { rule: 'skipped-remote', text } };
  }
  const copy = copies.get(url);
  let reason: string;
  try {
    const file = new ShapingFile(url, await textOf(url, options.httpTimeout));
    if (file.problem === undefined) copies.set(url, file);
    if (file.problem === undefined || copy === undefined) return { file };
    reason = `line ${file.problem.line}: ${file.problem.reason}`;
  } catch (error) {
    reason = (error as Error).message;
  }
  const instead = copy === undefined ? '' : '; what it said last still holds';
  const text = `remote shaping source ${url} error: ${reason}${instead}`;
  return { file: copy ?? new ShapingFile(url), failure: { rule: 'unreachable-url', text } };
}

async function textOf(url: string, timeout: number): Promise<string> {
  const { status, reason, body } = await client.send({ method: 'GET', url, headers: new Map(), timeout });
  const text = (await body).toString();
  if (status < 200 || status > 299) throw new Error(`GET ${url}: ${status} ${reason}`);
  return text;
}

/** Resolves after a turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
