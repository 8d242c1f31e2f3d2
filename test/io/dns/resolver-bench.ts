import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import {
  CachingResolver,
  HostsFile,
  type NameServer,
  parseResolvConf,
  type ResolverOptions,
  systemResolverOptions,
} from '../../../src/io/dns/index.ts';
import { type DnsScript, FakeDnsServer } from '../../kit/dns-server.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const servers: FakeDnsServer[] = [];
const directories: string[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

export async function serve(script: DnsScript): Promise<FakeDnsServer> {
  const server = await FakeDnsServer.start(script);
  servers.push(server);
  return server;
}

export function serverAt(port: number, changes: Partial<NameServer> = {}): NameServer {
  return { ...parseResolvConf('').nameServers[0]!, port, ...changes };
}

export interface Bench {
  resolver: CachingResolver;
  clock: FakeClock;
}

export function bench(
  nameServers: NameServer[],
  options: Partial<ResolverOptions> = {},
  hosts?: string,
): Bench {
  const clock = new FakeClock();
  const file = hosts === undefined ? undefined : new HostsFile(clock, hostsPath(hosts));
  const all = { ...systemResolverOptions(parseResolvConf('')), nameServers, ...options };
  return { resolver: new CachingResolver(all, clock, file), clock };
}

export function hostsPath(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'hosts-'));
  directories.push(directory);
  writeFileSync(join(directory, 'hosts'), text);
  return join(directory, 'hosts');
}
