import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { arch, cpus, hostname, networkInterfaces, platform, release, totalmem, version } from 'node:os';
import type { MachineDescription } from '../../model/index.ts';

/** Reads a text file; undefined when it cannot be read. */
export type ReadText = (path: string) => Promise<string | undefined>;

const NO_ADDRESS = '00:00:00:00:00:00';

/** Container runtimes by what they leave behind in the file system or in the names of control groups. */
const TRACES: readonly (readonly [runtime: string, path: string, text: RegExp])[] = [
  ['podman', '/run/.containerenv', /^/],
  ['docker', '/.dockerenv', /^/],
  ['kubernetes', '/proc/1/cgroup', /kubepods/],
  ['docker', '/proc/1/cgroup', /docker/],
  ['lxc', '/proc/1/cgroup', /lxc/],
];

/** Asks the system what it is. Takes a moment; what cannot be told is `unknown`. */
export async function describeMachine(
  node: Pick<MachineDescription, 'node_id' | 'version'> & { startedAt: number },
  read: ReadText = readOrNothing,
): Promise<MachineDescription> {
  const system = systemNames(await read('/etc/os-release'));
  const runtime = await containerRuntime(read);
  const machineId = (await read('/etc/machine-id'))?.trim() ?? '';
  const processors = cpus();
  const cpu = processors[0]?.model.trim() || 'unknown';
  const mac = hardwareAddress();
  const told = [hostname(), mac, platform(), arch(), cpu, processors.length, machineId];
  return {
    node_id: node.node_id,
    hostname: hostname(),
    mac_address: mac,
    num_cores: processors.length,
    kernel_version: release(),
    platform: `${platform()}/${arch()}`,
    distribution: system.distribution,
    os_version: system.version ?? version(),
    total_memory_bytes: totalmem(),
    ...(runtime !== undefined && { container_runtime: runtime }),
    cpu_brand: cpu,
    fingerprint: createHash('sha256').update(JSON.stringify(told)).digest('hex'),
    online_since: new Date(node.startedAt).toISOString(),
    process_kind: 'kumod',
    version: node.version,
  };
}

/** What os-release(5) says. */
function systemNames(text: string | undefined): { distribution: string; version: string | undefined } {
  const value = (name: string): string | undefined =>
    new RegExp(`^${name}="?(.*?)"?$`, 'm').exec(text ?? '')?.[1];
  return { distribution: value('NAME') ?? 'unknown', version: value('VERSION') ?? value('VERSION_ID') };
}

async function containerRuntime(read: ReadText): Promise<string | undefined> {
  for (const [runtime, path, trace] of TRACES) {
    const text = await read(path);
    if (text !== undefined && trace.test(text)) return runtime;
  }
  return undefined;
}

function hardwareAddress(): string {
  const interfaces = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return interfaces.find(({ internal, mac }) => !internal && mac !== NO_ADDRESS)?.mac ?? NO_ADDRESS;
}

async function readOrNothing(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}
