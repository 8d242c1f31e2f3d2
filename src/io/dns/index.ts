import type { Clock } from '../../model/index.ts';
import { CachingResolver } from './caching-resolver.ts';
import { HostsFile } from './hosts-file.ts';
import { type PolicyResolverConfig, resolverOptionsFromPolicy } from './options.ts';
import { readResolvConf } from './resolv-conf.ts';

export { CachingResolver } from './caching-resolver.ts';
export { HostsFile } from './hosts-file.ts';
export { reverseName } from './name.ts';
export {
  type PolicyResolverConfig,
  type ResolverOptions,
  resolverOptionsFromPolicy,
  systemResolverOptions,
} from './options.ts';
export { type RawAnswer, RecordResolver, type RecordType, type TlsaRecord } from './record-resolver.ts';
export { type NameServer, parseResolvConf, readResolvConf, type SystemDns } from './resolv-conf.ts';
export { TestResolver, type TestZone } from './test-resolver.ts';
export { parseZone, ZoneError, type ZoneRecord } from './zone-file.ts';

/** The resolver of the machine: /etc/resolv.conf and /etc/hosts, changed by what policy configured. */
export function configureResolver(clock: Clock, config: PolicyResolverConfig = {}): CachingResolver {
  const options = resolverOptionsFromPolicy(config, readResolvConf());
  return new CachingResolver(options, clock, new HostsFile(clock));
}
