import { type Difference, decided, extension } from './difference.ts';

/** Where DNS, DANE and MTA-STS are not as in KumoMTA. */
export const dnsDifferences: readonly Difference[] = [
  decided(
    'behaviour',
    'domains with the same hosts and another security',
    'They share the name of a ready queue, its limits and its records, but no connection when DNSSEC or MTA-STS says different things of them, so that no domain weakens or blocks the mail of another. In KumoMTA the domain that came last decides for all.',
  ),
  decided(
    'behaviour',
    'many MX and addresses',
    'The best 100 hosts of a domain count, 32 addresses of each, and a connection tries at most 100 addresses. KumoMTA has no such limits.',
  ),
  decided(
    'behaviour',
    'TLSA of aliases',
    'Where an MX is an alias and the whole chain is proved, the records of its end are looked for first (RFC 7672 section 2.2.3); KumoMTA looks at the name of the MX.',
  ),
  decided(
    'behaviour',
    'MTA-STS policies',
    'Each shard fetches for itself, for at most 30 s; the answer must be 200 and text/plain. A policy holds for its max_age even when DNS or the web server fails, at least a minute, and over a restart: it is kept in a file below the path of the meta spool.',
  ),
  decided(
    'function',
    'kumo.dns.lookup_mx',
    'With a resolver that is named, `mta_sts` is None: policies belong to the resolver of everything.',
  ),
  extension(
    'option',
    'dns.resolver_options.trust_ad',
    'Name servers on other machines are believed about DNSSEC; as the option of resolv.conf, for servers that the policy names.',
  ),
];
