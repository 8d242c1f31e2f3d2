import type { Clock, Resolver } from '../../model/index.ts';
import {
  type AuthenticationResult,
  formatAddrSpec,
  HeaderLine,
  headersOf,
  isGroup,
  isNamed,
} from '../../protocol/mime/index.ts';
import { boundedLookUps } from './look-ups.ts';

export interface DmarcQuestion {
  readonly message: Buffer;
  readonly dkim: readonly AuthenticationResult[];
  readonly spf: AuthenticationResult;
}

/** What the policy of the author's domain asks for. */
export type DmarcDisposition = 'Pass' | 'None' | 'Quarantine' | 'Reject' | 'TempError' | 'PermError';

export interface DmarcFindings {
  readonly disposition: DmarcDisposition;
  readonly result: AuthenticationResult;
}

/** From headers, and addresses in them, that are read. */
const MOST_FROMS = 10;
const MOST_AUTHORS = 100;

const ASKED: Record<string, DmarcDisposition> = { none: 'None', quarantine: 'Quarantine', reject: 'Reject' };
const FOUND: Record<string, DmarcDisposition> = { pass: 'Pass', none: 'None', temperror: 'TempError' };

/** What DMARC says of a message whose DKIM and SPF have been checked (RFC 7489; the tree walk of RFC 9989). */
export async function checkDmarc(
  { message, dkim, spf }: DmarcQuestion,
  resolver: Resolver,
  clock: Clock,
): Promise<DmarcFindings> {
  const authors = authorsOf(message);
  if (typeof authors === 'string') return unusable(authors);
  const { evaluateDmarc } = await import('mailauth/lib/dmarc/index.js');
  const { response, reason } = await evaluateDmarc({
    headerFrom: authors.addresses,
    fromFields: authors.fields,
    dkimDomains: passing(dkim, 'header.d'),
    spfDomains: spfDomains(spf),
    strict: true,
    resolver: boundedLookUps(resolver, clock, { badName: 'EBADNAME' }),
  });
  if (response === false) return unusable(reason?.replaceAll('-', ' ') ?? 'no author');
  const { status, policy, error } = response;
  const props = new Map([['header.from', domainOf(authors.addresses[0]!).toLowerCase()]]);
  const result: AuthenticationResult = { method: 'dmarc', result: status.result, props };
  if (status.result === 'temperror') result.reason = error ?? 'the policy could not be looked up';
  if (status.result !== 'fail') return { disposition: FOUND[status.result] ?? 'PermError', result };
  result.reason = 'neither DKIM nor SPF is of the domain in From';
  props.set('policy.published-domain-policy', policy ?? 'none');
  return { disposition: ASKED[policy ?? 'none'] ?? 'None', result };
}

function unusable(reason: string): DmarcFindings {
  return {
    disposition: 'PermError',
    result: { method: 'dmarc', result: 'permerror', reason, props: new Map() },
  };
}

/** The addresses of From, or why there are none to go by. */
function authorsOf(message: Buffer): { addresses: string[]; fields: number } | string {
  try {
    const fields = headersOf(message, isNamed('From'), MOST_FROMS);
    const addresses = fields
      .flatMap((field) => HeaderLine.at(message, field).addressList)
      .flatMap((address) => (isGroup(address) ? address.entries : [address]))
      .map(({ address }) => formatAddrSpec(address));
    if (addresses.length > MOST_AUTHORS) return `more than ${MOST_AUTHORS} authors`;
    return addresses.length === 0 ? 'no author in From' : { addresses, fields: fields.length };
  } catch (error) {
    return `From cannot be read: ${(error as Error).message.slice(0, 200)}`;
  }
}

function passing(results: readonly AuthenticationResult[], prop: string): { domain: string }[] {
  return results.flatMap(({ result, props }) => {
    const domain = props.get(prop);
    return result === 'pass' && domain !== undefined ? [{ domain }] : [];
  });
}

/** RFC 7489 §3.1.2: the domain of MAIL FROM, or of EHLO when that is empty. */
function spfDomains({ result, props }: AuthenticationResult): { domain: string }[] {
  if (result !== 'pass') return [];
  const checked = props.get('smtp.mailfrom') || props.get('smtp.helo');
  return checked === undefined ? [] : [{ domain: domainOf(checked) }];
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}
