import { randomUUID } from 'node:crypto';
import { closeSync, constants, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { errorCode, errorText } from './file-system.ts';

/** The directories of metadata and bodies are not of one spool. */
export class SpoolPairError extends Error {}

const NAME = 'spool.id';
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/**
 * Ties the directories of one spool together by an id in each. With only one of two disks mounted, every message
 * would look as if its other half were lost; so a directory that misses its id, or has another, stops the start.
 * Throws SpoolPairError naming both. The caller holds the locks.
 */
export function pairSpoolDirectories(metaPath: string, dataPath: string): void {
  if (metaPath === dataPath) return;
  const meta = readId(metaPath);
  const data = readId(dataPath);
  if (meta !== undefined && meta === data) return;
  if (meta === undefined && data === undefined) {
    const id = randomUUID();
    writeId(metaPath, id);
    writeId(dataPath, id);
    return;
  }
  const odd = meta === undefined ? metaPath : dataPath;
  const why = meta === undefined || data === undefined ? 'has no' : 'has another';
  throw new SpoolPairError(
    `the spool directories ${metaPath} and ${dataPath} do not belong together: ${odd} ${why} ${NAME}. ` +
      `Is its disk mounted? To use them together all the same, remove ${NAME} from both`,
  );
}

function readId(directory: string): string | undefined {
  try {
    return readFileSync(`${directory}/${NAME}`, 'latin1').trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new Error(`cannot read ${directory}/${NAME}: ${errorText(error)}`);
  }
}

function writeId(directory: string, id: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = openSync(`${directory}/${NAME}`, CREATE, 0o600);
  try {
    writeSync(file, `${id}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
