import { randomUUID } from 'node:crypto';
import { closeSync, constants, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

export interface NodeIdOptions {
  /** Where the id is kept when the environment does not say: the spool directory. */
  directory: string;
  /** Default: the environment of the process. */
  environment?: Record<string, string | undefined>;
  /** Hardware addresses of this machine, such as 02:00:5e:10:00:00. Default: asked of the operating system. */
  hardwareAddresses?: () => string[];
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The id of this node, a UUID with dashes: KUMO_NODE_ID, else what is in the file KUMO_NODE_ID_PATH, else in `.nodeid`
 * of `directory`. A missing file is created with a random id; where it cannot be, the id is made from the hardware
 * address so that it stays the same. Throws when what is there is no UUID.
 */
export function readNodeId(options: NodeIdOptions): string {
  const environment = options.environment ?? process.env;
  const given = environment.KUMO_NODE_ID;
  if (given !== undefined && given !== '') return checked(given, 'KUMO_NODE_ID');
  const path = environment.KUMO_NODE_ID_PATH || `${options.directory}/.nodeid`;
  const known = readIfThere(path);
  if (known !== undefined) return checked(known, path);
  if (path === `${options.directory}/.nodeid`) makeDirectory(options.directory);
  const fresh = randomUUID();
  try {
    const file = openSync(path, 'wx', 0o644);
    try {
      writeSync(file, `${fresh}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return fresh;
  } catch (error) {
    // Another process was faster: its id is the node's.
    const theirs = (error as NodeJS.ErrnoException).code === 'EEXIST' ? readIfThere(path) : undefined;
    if (theirs !== undefined) return checked(theirs, path);
    return fromHardware((options.hardwareAddresses ?? systemAddresses)());
  }
}

function checked(text: string, where: string): string {
  const id = text.trim().toLowerCase();
  if (!UUID.test(id)) throw new Error(`${where} does not hold a UUID: ${JSON.stringify(text.trim())}`);
  return id;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, { encoding: 'latin1', flag: constants.O_RDONLY });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch {
    // Creating the file will fail too, and that has an answer.
  }
}

/** A version 1 UUID of time zero (RFC 9562 §5.1). */
function fromHardware(addresses: readonly string[]): string {
  const usable = addresses.filter((address) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(address)).sort();
  const address = usable.find((candidate) => candidate !== '00:00:00:00:00:00') ?? '01:00:00:00:00:00';
  return `00000000-0000-1000-8000-${address.toLowerCase().replaceAll(':', '')}`;
}

function systemAddresses(): string[] {
  const interfaces = Object.values(networkInterfaces()).flat();
  return interfaces.flatMap((entry) => (entry === undefined || entry.internal ? [] : [entry.mac]));
}
