import { type Difference, decided, extension } from './difference.ts';

/** Where egress sources and proxies are not as in KumoMTA. */
export const sourceDifferences: readonly Difference[] = [
  extension(
    'option',
    'make_egress_source.ha_proxy_header_version',
    'For proxies that know only version 1 of the PROXY header; KumoMTA always sends version 2.',
  ),
  decided(
    'option',
    'make_egress_source.source_address',
    'Of the other family than an address of the plan it fails that address with a text that says so, and goes on with the next.',
  ),
  extension(
    'function',
    'kumo.policy.set_development_recipient',
    'For trying a production policy without mailing the world; also as `--development-recipient ADDRESS`.',
  ),
];
