import type { MaybePromise } from '../../../model/index.ts';
import { type Answer, answer, refusalOf, technicalDifficulties } from '../answer.ts';
import type { SessionContext } from '../context.ts';
import { andThen } from '../maybe-promise.ts';

/**
 * RFC 5321 §4.1.1.1. Both end a transaction, as §4.1.4 says, once policy has let them pass; `ehlo_domain` too is
 * set only then. Policy may replace what EHLO lists, which changes nothing else.
 */
export function ehlo(context: SessionContext, verb: 'EHLO' | 'HELO', domain: string): MaybePromise<Answer> {
  const extensions = verb === 'EHLO' ? extensionsOf(context) : [];
  const args = verb === 'EHLO' ? [domain, context.meta, extensions] : [domain, context.meta];
  return andThen(context.fire('smtp_server_ehlo', args), (result) => {
    const refusal = refusalOf(result, context.hostname);
    if (refusal !== undefined) return refusal;
    const value = result.kind === 'values' ? (result.values[0] ?? undefined) : undefined;
    const listed = value === undefined ? extensions : textList(value);
    if (listed === undefined) {
      context.parameters.diagnostics.error('smtp_server', 'smtp_server_ehlo returned no list of strings');
      return technicalDifficulties(context.hostname);
    }
    context.ehloDomain = domain;
    context.meta.set('ehlo_domain', domain);
    context.transaction = undefined;
    const greeting = `${context.hostname} Hello ${domain}`;
    return answer(250, '', verb === 'EHLO' ? [greeting, ...listed].join('\n') : greeting);
  });
}

function extensionsOf(context: SessionContext): string[] {
  const extensions = [
    'PIPELINING',
    'ENHANCEDSTATUSCODES',
    '8BITMIME',
    'SMTPUTF8',
    'CHUNKING',
    `SIZE ${context.options.max_message_size}`,
  ];
  if (context.tls !== undefined) extensions.push('AUTH PLAIN LOGIN');
  else if (context.parameters.identity !== undefined) extensions.push('STARTTLS');
  if (context.options.allow_xclient) extensions.push('XCLIENT ADDR PORT DESTADDR DESTPORT');
  return extensions;
}

/** Undefined when it is none. An empty Lua table may arrive as an empty object. */
function textList(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) {
    return typeof value === 'object' && Object.keys(value ?? {}).length === 0 ? [] : undefined;
  }
  return value.every((entry) => typeof entry === 'string') ? value : undefined;
}
