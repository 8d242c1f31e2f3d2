import { PeerSecurity } from './flow/delivery/index.ts';
import { systemAuthorities } from './io/tls/index.ts';
import type { PolicyEvents, PolicyHost } from './model/index.ts';
import { readKey } from './smtp-listeners.ts';

/** What the outgoing connections of a shard share. Servers are vouched for by whom this machine trusts. */
export function createPeerSecurity(host: PolicyHost, policy: () => PolicyEvents): PeerSecurity {
  const { clock, diagnostics } = host;
  return new PeerSecurity({
    clock,
    diagnostics,
    readKey: async (source) => readKey(source, policy()),
    authorities: () => {
      const found = systemAuthorities();
      if (found.length > 0) return found;
      if (host.once('no authorities are installed')) {
        const text =
          'no certificate authorities are installed on this machine: install the package ca-certificates and ' +
          'restart. Until then servers are vouched for by the authorities that come with Node.';
        diagnostics.error('delivery', text);
      }
      return undefined;
    },
  });
}
