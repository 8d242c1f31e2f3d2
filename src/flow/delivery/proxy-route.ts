import type { ProxyRoute } from '../../io/net/index.ts';
import type { SourceAddress, Transport } from '../../model/index.ts';
import { formatHostPort } from '../../protocol/ip/index.ts';
import type { SmtpSourceOptions } from './path-options.ts';
import type { PeerSecurity } from './peer-security.ts';

/**
 * The proxy that a source sends through: haproxy before SOCKS5, each only with the address that it sends from
 * (delivery.md 15). Rejects with an Error that says why the password cannot be had.
 */
export async function proxyRouteOf(
  source: SmtpSourceOptions,
  security: Pick<PeerSecurity, 'password'>,
): Promise<ProxyRoute | undefined> {
  const { ha_proxy_server, ha_proxy_source_address, ha_proxy_header_version } = source;
  if (ha_proxy_server !== undefined && ha_proxy_source_address !== undefined) {
    return {
      protocol: 'haproxy',
      server: ha_proxy_server,
      source: ha_proxy_source_address,
      headerVersion: ha_proxy_header_version === 1 ? 1 : 2,
    };
  }
  const { socks5_proxy_server, socks5_proxy_source_address } = source;
  if (socks5_proxy_server === undefined || socks5_proxy_source_address === undefined) return undefined;
  const credentials = await credentialsOf(source, security);
  return {
    protocol: 'socks5',
    server: socks5_proxy_server,
    source: socks5_proxy_source_address,
    credentials,
  };
}

async function credentialsOf(
  { socks5_proxy_username: username, socks5_proxy_password: secret }: SmtpSourceOptions,
  security: Pick<PeerSecurity, 'password'>,
): Promise<ProxyRoute['credentials']> {
  if (username === undefined || secret === undefined) return undefined;
  try {
    return { username, password: await security.password(secret) };
  } catch (error) {
    throw new Error(`socks5_proxy_password: ${(error as Error).message}`);
  }
}

/** `source_address` of the records of a connection. */
export function sourceAddressOf({ local, proxy }: Pick<Transport, 'local' | 'proxy'>): SourceAddress {
  const address = formatHostPort(local.address, local.port);
  if (proxy === undefined) return { address };
  return {
    address,
    server: formatHostPort(proxy.server.address, proxy.server.port),
    protocol: proxy.protocol,
  };
}
