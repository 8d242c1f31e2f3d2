import { getDomain, getPublicSuffix } from 'tldts';

/** Names as the list has them: lower case, without a dot at the end; private suffixes such as github.io count. */
const LIST = { allowPrivateDomains: true, detectIp: true, extractHostname: false };

function normalized(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

/** The name that somebody registered, such as `example.co.uk` of `mx.example.co.uk`. */
export function registrableDomain(host: string): string | undefined {
  return getDomain(normalized(host), LIST) ?? undefined;
}

/** The suffix under which names are registered, such as `co.uk`. */
export function publicSuffix(host: string): string | undefined {
  return getPublicSuffix(normalized(host), LIST) ?? undefined;
}
