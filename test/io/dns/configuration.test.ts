import { describe, expect, test } from 'vitest';
import { parseResolvConf, resolverOptionsFromPolicy } from '../../../src/io/dns/index.ts';

describe('resolv.conf', () => {
  test('servers, search list and options', () => {
    const system = parseResolvConf(`
# comment
nameserver 192.0.2.53 ; the first
nameserver ::1
search example.com example.org
options timeout:2 attempts:4 trust-ad edns0
nonsense
`);
    expect(system).toMatchObject({
      search: ['example.com', 'example.org'],
      timeout: 2000,
      attempts: 4,
      trustAd: true,
    });
    expect(system.nameServers.map(({ address, loopback }) => [address, loopback])).toEqual([
      ['192.0.2.53', false],
      ['::1', true],
    ]);
  });

  test('without servers it is the local one', () => {
    expect(parseResolvConf('').nameServers).toMatchObject([{ address: '127.0.0.1', port: 53 }]);
  });
});

test('what policy configures goes over the system', () => {
  const options = resolverOptionsFromPolicy(
    {
      name_servers: [
        {
          socket_addr: { address: '10.0.0.1', port: 5353 },
          protocol: 'tcp',
          trust_negative_responses: false,
        },
      ],
      options: { attempts: 1, timeout: 750, cache_size: 10, use_hosts_file: 'Never', edns0: false },
    },
    parseResolvConf('nameserver 192.0.2.1'),
  );
  expect(options).toMatchObject({
    attempts: 1,
    timeout: 750,
    cacheSize: 10,
    useHostsFile: false,
    edns: false,
  });
  expect(options.nameServers).toEqual([
    {
      address: '10.0.0.1',
      port: 5353,
      protocol: 'tcp',
      trustNegative: false,
      bindAddress: undefined,
      loopback: false,
    },
  ]);
});

test('without servers of its own the system keeps its', () => {
  const options = resolverOptionsFromPolicy({ name_servers: [] }, parseResolvConf('nameserver 192.0.2.1'));
  expect(options.nameServers.map(({ address }) => address)).toEqual(['192.0.2.1']);
});
