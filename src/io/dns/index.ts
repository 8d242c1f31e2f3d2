export { CachingResolver } from './caching-resolver.ts';
export { buildResolver, ConfiguredResolvers, type MxMeter, type MxSettings } from './configured-resolvers.ts';
export { HostsFile } from './hosts-file.ts';
export { reverseName } from './name.ts';
export {
  type PolicyResolverConfig,
  type ResolverOptions,
  resolverOptionsFromPolicy,
  systemResolverOptions,
} from './options.ts';
export { type RawAnswer, RecordResolver, type RecordType } from './record-resolver.ts';
export { type NameServer, parseResolvConf, readResolvConf, type SystemDns } from './resolv-conf.ts';
export { TestResolver, type TestZone } from './test-resolver.ts';
export { parseZone, ZoneError, type ZoneRecord } from './zone-file.ts';
