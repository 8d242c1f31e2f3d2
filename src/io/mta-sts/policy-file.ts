import { type FileHandle, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { MtaStsPolicy } from '../../model/index.ts';
import { formatMtaStsPolicy, parseMtaStsPolicy } from '../../protocol/mta-sts/index.ts';

/** A policy that outlives the process. Times in ms since the epoch. */
export interface KeptPolicy {
  domain: string;
  /** Of the record in DNS when the policy was fetched. */
  id: string;
  policy: MtaStsPolicy;
  fetched: number;
  expires: number;
}

/** Where policies are kept from one start to the next. */
export interface PolicyStore {
  /** What is there, of each domain what was fetched last. Rejects when nothing can be read. */
  load(): Promise<KeptPolicy[]>;
  /** Keeps these in place of what `save` kept before; where there is no room for all, the first ones. */
  save(policies: Iterable<KeptPolicy>): Promise<void>;
}

const NAME = /^mta-sts-\d+\.jsonl$/;
/** Bytes of a file. A policy of ten hosts takes some 300. */
const MOST_BYTES = 8 * 1024 * 1024;

/**
 * A file for each shard in one directory, a line of JSON for each policy. Every shard reads all of them, and writes its
 * own, so that their number may change. Lines that make no sense are left out.
 */
export class PolicyFiles implements PolicyStore {
  readonly #directory: string;
  readonly #path: string;
  readonly #mostBytes: number;

  constructor(directory: string, shard: number, mostBytes = MOST_BYTES) {
    this.#directory = directory;
    this.#path = join(directory, `mta-sts-${shard}.jsonl`);
    this.#mostBytes = mostBytes;
  }

  async load(): Promise<KeptPolicy[]> {
    const newest = new Map<string, KeptPolicy>();
    for (const name of await namesIn(this.#directory)) {
      const text = await readFile(join(this.#directory, name), 'utf8');
      for (const line of text.split('\n')) {
        const kept = parseLine(line);
        if (kept === undefined || kept.fetched < (newest.get(kept.domain)?.fetched ?? 0)) continue;
        newest.set(kept.domain, kept);
      }
    }
    return [...newest.values()];
  }

  async save(policies: Iterable<KeptPolicy>): Promise<void> {
    const lines: string[] = [];
    let room = this.#mostBytes;
    for (const kept of policies) {
      const line = `${JSON.stringify({ ...kept, policy: formatMtaStsPolicy(kept.policy) })}\n`;
      room -= Buffer.byteLength(line);
      if (room < 0) break;
      lines.push(line);
    }
    // Whoever reads it sees the old file or the new one, never half of it.
    const next = `${this.#path}.new`;
    await writeAndSync(await open(next, 'w', 0o600), lines.join(''));
    await rename(next, this.#path);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => NAME.test(name));
  } catch (error) {
    // Nothing has been kept yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function writeAndSync(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
}

function parseLine(line: string): KeptPolicy | undefined {
  try {
    const { domain, id, policy, fetched, expires } = JSON.parse(line) as Record<string, unknown>;
    if (typeof domain !== 'string' || typeof id !== 'string' || typeof policy !== 'string') return undefined;
    if (typeof fetched !== 'number' || typeof expires !== 'number') return undefined;
    return { domain, id, policy: parseMtaStsPolicy(policy), fetched, expires };
  } catch {
    // A line that was cut off, or of another version.
    return undefined;
  }
}
