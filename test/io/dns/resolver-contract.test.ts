import { afterEach } from 'vitest';
import {
  CachingResolver,
  parseResolvConf,
  type RecordType,
  systemResolverOptions,
  TestResolver,
} from '../../../src/io/dns/index.ts';
import type { DnsError } from '../../../src/model/index.ts';
import { CONTRACT_REVERSE, CONTRACT_ZONE, resolverContract } from '../../contract/resolver.ts';
import { FakeDnsServer } from '../../kit/dns-server.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const zones = [CONTRACT_ZONE, CONTRACT_REVERSE];
const servers: FakeDnsServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop())));

resolverContract('TestResolver', async () => new TestResolver(zones));

resolverContract('CachingResolver', async () => {
  const zone = new TestResolver(zones);
  const known = await FakeDnsServer.start(() => undefined);
  servers.push(known);
  const answers = new Map<string, Awaited<ReturnType<typeof ask>>>();
  const ask = async (name: string, type: RecordType) =>
    zone.query(name, type).then(
      ({ records, ttl }) => ({
        rcode: 'NOERROR' as const,
        answers: records.map((data) => ({ name, type, ttl: ttl / 1000, data })),
      }),
      (error: DnsError) => ({
        rcode: error.kind === 'nxdomain' ? ('NXDOMAIN' as const) : ('SERVFAIL' as const),
        answers: [],
      }),
    );
  const names = ['contract', 'mx', 'alias', 'null', 'er', 'absent', 'loop'];
  const full = names.map((name) => (name === 'contract' ? 'contract.example' : `${name}.contract.example`));
  for (const name of [...full, '_25._tcp.mx.contract.example', '1.2.0.192.in-addr.arpa']) {
    for (const type of ['A', 'AAAA', 'MX', 'TXT', 'PTR', 'TLSA', 'CNAME'] as const)
      answers.set(`${name} ${type}`, await ask(name, type));
  }
  known.script = ({ question: { name, type } }) => answers.get(`${name.toLowerCase()} ${type}`);
  const options = systemResolverOptions(parseResolvConf(''));
  const nameServers = [{ ...options.nameServers[0]!, port: known.port }];
  return new CachingResolver({ ...options, nameServers }, new FakeClock(), undefined);
});
