import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { HostsFile } from '../../../src/io/dns/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { bench, hostsPath, serve, serverAt } from './resolver-bench.ts';

describe('names of the machine', () => {
  const HOSTS =
    '127.0.0.1 localhost\n192.0.2.5 Mail.example.test mail # ours\n2001:db8::5 mail\n192.0.2.6 known.example\nx y\n';

  test('are answered without DNS', async () => {
    const server = await serve(() => undefined);
    const { resolver } = bench([serverAt(server.port)], {}, HOSTS);
    expect((await resolver.a('mail')).records).toEqual(['192.0.2.5']);
    expect((await resolver.aaaa('mail')).records).toEqual(['2001:db8::5']);
    expect((await resolver.aaaa('mail.example.test')).records).toEqual([]);
    expect((await resolver.mx('mail.example.test')).records).toEqual([]);
    expect((await resolver.ptr('192.0.2.5')).records).toEqual(['mail.example.test']);
    expect((await resolver.a('localhost')).records).toEqual(['127.0.0.1']);
    expect((await resolver.aaaa('sub.localhost')).records).toEqual(['::1']);
    expect((await resolver.mx('localhost')).records).toEqual([]);
    expect(server.queries).toHaveLength(0);
  });

  test('the MX of a public name is asked, and its absence is no error', async () => {
    const server = await serve(() => ({ rcode: 'NXDOMAIN' }));
    const { resolver } = bench([serverAt(server.port)], {}, HOSTS);
    expect((await resolver.mx('known.example')).records).toEqual([]);
    expect(server.queries).toHaveLength(1);
    await expect(resolver.mx('unknown.example')).rejects.toMatchObject({ kind: 'nxdomain' });
  });

  test('are not answered when the file is not to be used', async () => {
    const server = await serve(() => ({ rcode: 'NXDOMAIN' }));
    const { resolver } = bench([serverAt(server.port)], { useHostsFile: false }, HOSTS);
    await expect(resolver.a('mail')).rejects.toMatchObject({ kind: 'nxdomain' });
  });

  test('the file is read again when it changes', async () => {
    const clock = new FakeClock();
    const path = hostsPath('192.0.2.1 one\n');
    const hosts = new HostsFile(clock, path);
    expect(hosts.addresses('one')).toEqual(['192.0.2.1']);
    writeFileSync(path, '192.0.2.2 two.longer\n');
    utimesSync(path, 1, 1);
    await clock.advance(5000);
    expect(hosts.addresses('one')).toBeUndefined();
    expect(hosts.addresses('two.longer')).toEqual(['192.0.2.2']);
    rmSync(path);
    await clock.advance(5000);
    expect(hosts.addresses('two.longer')).toBeUndefined();
  });
});
