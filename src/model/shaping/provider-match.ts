import { typeOfValue } from '../define/index.ts';
import type { Findings } from './findings.ts';
import { adviceOn, type Section } from './settings.ts';

const MATCH_KINDS = ['DomainSuffix', 'MXSuffix', 'HostName'] as const;

/** One rule of the `match` of a provider; the text is in lower case. */
export interface MatchRule {
  readonly kind: (typeof MATCH_KINDS)[number];
  readonly text: string;
}

/** Reads `match`; what is no rule is noted and left out. */
export function readMatch(section: Section, value: unknown, findings: Findings): MatchRule[] {
  if (value === undefined || value === null) return [];
  const path = [...section.path, 'match'];
  const refuse = (at: typeof path | (string | number)[], text: string) =>
    findings.note('bad-match', { file: section.file, path: at }, text);
  if (!Array.isArray(value)) {
    refuse(
      path,
      `match: expected a list of rules such as {MXSuffix = ".example.net"}, got ${typeOfValue(value)}`,
    );
    return [];
  }
  return value.flatMap((rule: unknown, index): MatchRule[] => {
    const names = typeOfValue(rule) === 'table' ? Object.keys(rule as object) : [];
    const kind = MATCH_KINDS.find((known) => known === names[0]);
    const text = kind && (rule as Record<string, unknown>)[kind];
    if (names.length === 1 && kind !== undefined && typeof text === 'string' && text !== '')
      return [{ kind, text: text.toLowerCase() }];
    const near = names.length === 1 && kind === undefined ? adviceOn(names[0]!, MATCH_KINDS) : '';
    refuse([...path, index], `a rule of match has one of ${MATCH_KINDS.join(', ')} with a name${near}`);
    return [];
  });
}

/** Whether a rule of the provider needs nothing but the name of the domain, and is met. */
export function matchesName(match: readonly MatchRule[], domain: string): boolean {
  return match.some(({ kind, text }) => kind === 'DomainSuffix' && domain.endsWith(text));
}

/** Whether the MX of a domain could decide. */
export function asksForMx(match: readonly MatchRule[]): boolean {
  return match.some(({ kind }) => kind !== 'DomainSuffix');
}

/** Whether every host meets one of the rules. */
export function matchesHosts(match: readonly MatchRule[], hosts: readonly string[]): boolean {
  const meets = (host: string): boolean =>
    match.some(({ kind, text }) =>
      kind === 'MXSuffix' ? host.endsWith(text) : kind === 'HostName' && host === text,
    );
  return hosts.length > 0 && hosts.every(meets);
}

/** Whether the text can be a domain that mail is routed to, so that providers are asked. */
export function isDomainName(text: string): boolean {
  return text.length <= 254 && /^(?:[^\s.:/@[\]!]{1,63}\.)*[^\s.:/@[\]!]{1,63}\.?$/.test(text);
}
