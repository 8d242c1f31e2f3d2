import { PatternSet } from '../patterns/index.ts';
import type { AutomationRule } from './automation.ts';
import type { Definition } from './definitions.ts';

/** What automation rules look at in a log record. */
export interface LogFacts {
  /** Of the first recipient. */
  readonly domain: string;
  /** The site alone, without source and protocol. */
  readonly site: string;
  /** The reply on one line: `CODE x.y.z text`. */
  readonly response: string;
  /** Moonpost made the reply itself. */
  readonly isInternal: boolean;
}

const INTERNAL = 'KumoMTA internal: ';

/** The facts of a record as policy has it; undefined when it names no domain. */
export function logFacts(record: Readonly<Record<string, unknown>>): LogFacts | undefined {
  const { recipient, site, response } = record;
  const first: unknown = Array.isArray(recipient) ? recipient[0] : recipient;
  if (typeof first !== 'string') return undefined;
  const at = first.lastIndexOf('@');
  if (at < 0) return undefined;
  const reply = (typeof response === 'object' && response !== null ? response : {}) as Record<
    string,
    unknown
  >;
  const content = typeof reply.content === 'string' ? reply.content : '';
  return {
    domain: first
      .slice(at + 1)
      .replace(/>$/, '')
      .toLowerCase(),
    site: typeof site === 'string' ? site.replace(/^.*?->/, '').replace(/@smtp_client$/, '') : '',
    response: [String(reply.code ?? ''), enhanced(reply.enhanced_code), content.replace(/\r?\n/g, ' ')]
      .filter(Boolean)
      .join(' '),
    isInternal: content.startsWith(INTERNAL),
  };
}

function enhanced(code: unknown): string {
  if (typeof code !== 'object' || code === null) return '';
  const { class: kind, subject, detail } = code as Record<string, unknown>;
  return typeof kind === 'number' ? `${kind}.${subject}.${detail}` : '';
}

/** All patterns of all rules, tried on a reply at once. */
export class RuleMatcher {
  readonly #patterns: PatternSet;

  constructor(definitions: Iterable<Definition>) {
    const patterns = new Set<string>();
    for (const { automation } of definitions) {
      for (const { regex } of automation) for (const pattern of regex) patterns.add(pattern);
    }
    this.#patterns = new PatternSet(patterns);
  }

  /** Tells the rules that the reply meets; undefined when it meets none. */
  matching({ response, isInternal }: LogFacts): ((rule: AutomationRule) => boolean) | undefined {
    const found = this.#patterns.match(response);
    if (found.size === 0) return undefined;
    return ({ regex, matchInternal }) =>
      matchInternal === isInternal && regex.some((pattern) => found.has(pattern));
  }
}
