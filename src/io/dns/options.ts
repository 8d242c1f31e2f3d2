import type { ConfigureResolverOptions, NameServer as ServerOptions } from '../../model/options/index.ts';
import { isLoopback, type NameServer, type SystemDns } from './resolv-conf.ts';

/** How names are resolved. Times in milliseconds. */
export interface ResolverOptions {
  nameServers: NameServer[];
  /** Rounds over all servers (default 2). */
  attempts: number;
  /** Per try of one server (default 5000). */
  timeout: number;
  /** Answers kept (default 8192). */
  cacheSize: number;
  /** EDNS with a payload size of 1232 (default true). */
  edns: boolean;
  recursionDesired: boolean;
  /** Random upper and lower case in the question, which the answer must repeat (default false). */
  caseRandomization: boolean;
  /** Over TCP when UDP failed altogether (default false). */
  tcpOnError: boolean;
  /** Whether names of /etc/hosts and localhost are answered from there (default true). */
  useHostsFile: boolean;
  /** Believe the AD bit of servers that are not on this machine (default false). */
  trustAd: boolean;
  positiveMinTtl: number;
  positiveMaxTtl: number;
  negativeMinTtl: number;
  negativeMaxTtl: number;
  /** How long (ms) any failure of an MX look-up is kept; absent = as other failures. */
  mxNegativeTtl?: number;
}

const DAY = 86_400_000;

/** Defaults, with the servers and options of the machine. */
export function systemResolverOptions(system: SystemDns): ResolverOptions {
  return {
    nameServers: system.nameServers,
    attempts: system.attempts,
    timeout: system.timeout,
    cacheSize: 8192,
    edns: true,
    recursionDesired: true,
    caseRandomization: false,
    tcpOnError: false,
    useHostsFile: true,
    trustAd: system.trustAd,
    positiveMinTtl: 0,
    positiveMaxTtl: DAY,
    negativeMinTtl: 0,
    // RFC 2308 §5: one to three hours.
    negativeMaxTtl: 3 * 3_600_000,
  };
}

/** What `kumo.dns.configure_resolver` was given, parsed; anything may be left out. */
export type PolicyResolverConfig = Partial<Omit<ConfigureResolverOptions, 'options' | 'name_servers'>> & {
  name_servers?: readonly (Pick<ServerOptions, 'socket_addr'> & Partial<ServerOptions>)[];
  options?: Partial<ConfigureResolverOptions['options']>;
};

/**
 * Options for what policy configured. Search lists and ndots have no effect: names in mail are complete. Servers
 * are asked in their order, those that lately did not answer last. A server list that is not given or empty means the
 * servers of the machine, with its timeout and attempts.
 */
export function resolverOptionsFromPolicy(config: PolicyResolverConfig, system: SystemDns): ResolverOptions {
  const defaults = systemResolverOptions(system);
  const given = config.options ?? {};
  const servers = config.name_servers ?? [];
  return {
    ...defaults,
    nameServers: servers.length > 0 ? servers.map(nameServer) : defaults.nameServers,
    attempts: given.attempts ?? defaults.attempts,
    timeout: given.timeout ?? defaults.timeout,
    cacheSize: given.cache_size ?? defaults.cacheSize,
    edns: given.edns0 ?? defaults.edns,
    recursionDesired: given.recursion_desired ?? defaults.recursionDesired,
    caseRandomization: given.case_randomization ?? defaults.caseRandomization,
    tcpOnError: given.try_tcp_on_error ?? defaults.tcpOnError,
    // What the machine says of its own servers says nothing of others.
    trustAd: given.trust_ad ?? (servers.length === 0 && defaults.trustAd),
    useHostsFile: given.use_hosts_file !== 'Never',
    positiveMinTtl: given.positive_min_ttl ?? defaults.positiveMinTtl,
    positiveMaxTtl: given.positive_max_ttl ?? defaults.positiveMaxTtl,
    negativeMinTtl: given.negative_min_ttl ?? defaults.negativeMinTtl,
    negativeMaxTtl: given.negative_max_ttl ?? defaults.negativeMaxTtl,
  };
}

function nameServer(server: Pick<ServerOptions, 'socket_addr'> & Partial<ServerOptions>): NameServer {
  const { address, port } = server.socket_addr;
  return {
    address,
    port,
    protocol: server.protocol ?? 'udp_then_tcp',
    trustNegative: server.trust_negative_responses ?? true,
    bindAddress: server.bind_addr?.address,
    loopback: isLoopback(address),
  };
}
