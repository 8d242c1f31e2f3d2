import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listSegments, SegmentReader } from '../io/delivery-log/index.ts';
import type { LogRecord } from '../model/index.ts';

export type SeenRecord = Pick<LogRecord, 'type' | 'event_time' | 'timestamp' | 'response' | 'peer_address'> &
  Partial<Pick<LogRecord, 'queue' | 'site' | 'num_attempts'>>;

export interface RecordSearch {
  dirs: readonly string[];
  /** Read logs of any size; else only small ones. */
  isThorough: boolean;
}

/** Logs of up to this size are read unasked, bytes as they are on disk. */
const SMALL = 32 * 1024 * 1024;
/** No more is ever read, newest first. */
const MOST = 8 * 1024 * 1024 * 1024;
/** Records of one message that are kept, the newest. */
const MOST_RECORDS = 100;

/**
 * The records of the message, oldest first, and what the reader should know of the search. Segments are read newest
 * first; those that were finished before the reception are left out.
 */
export async function recordsOf(
  id: string,
  { dirs, isThorough }: RecordSearch,
): Promise<{ records: SeenRecord[]; remarks: string[] }> {
  const remarks: string[] = [];
  const records = new Map<string, SeenRecord>();
  const keep = (record: SeenRecord) => records.set(sameness(record), record);
  for (const dir of dirs) {
    try {
      const size = sizeOf(dir);
      if (!isThorough && size > SMALL) {
        remarks.push(`${dir} has ${Math.round(size / 1024 / 1024)} MiB of records, which --log reads`);
        continue;
      }
      for (const record of await search(dir, id, remarks)) keep(record);
    } catch (error) {
      remarks.push(`${dir} cannot be read here: ${(error as Error).message}`);
    }
  }
  const all = [...records.values()].sort(
    (one, other) => Date.parse(one.event_time) - Date.parse(other.event_time),
  );
  return { records: all.slice(-MOST_RECORDS), remarks };
}

function sizeOf(dir: string): number {
  return readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
}

/** Several loggers may write the same record, each with the headers and metadata that it was told to. */
function sameness({ type, event_time, num_attempts, site, response }: SeenRecord): string {
  return JSON.stringify([type, event_time, num_attempts, site, response]);
}

async function search(dir: string, id: string, remarks: string[]): Promise<SeenRecord[]> {
  const found: SeenRecord[] = [];
  let read = 0;
  let received = 0;
  for (const name of listSegments(dir).reverse()) {
    const path = join(dir, name);
    const { size, mtimeMs } = statSync(path);
    // Types of records may have segments of their own, so that one which was begun before goes on after it.
    if (mtimeMs < received) continue;
    read += size;
    if (read > MOST) {
      remarks.push(`${dir}: older records than ${name} were not read`);
      break;
    }
    const here: SeenRecord[] = [];
    const reader = new SegmentReader(path);
    try {
      for await (const lines of reader.lines()) {
        for (const line of lines) {
          const record = line.includes(id) ? recordIn(line, id) : undefined;
          if (record !== undefined) here.push(record);
        }
      }
    } catch (error) {
      remarks.push(`${path} cannot be read: ${(error as Error).message}`);
    } finally {
      await reader.close();
    }
    found.unshift(...here);
    received = (here.find(({ type }) => type === 'Reception')?.timestamp ?? 0) * 1000 || received;
  }
  return found;
}

/** Undefined for what a template made, and for a line that has the id somewhere else. */
function recordIn(line: string, id: string): SeenRecord | undefined {
  try {
    const record = JSON.parse(line) as LogRecord;
    return record.id === id && record.response !== undefined ? record : undefined;
  } catch {
    return undefined;
  }
}
