import { HeaderTokens, quoteUnless } from './header-tokens.ts';

/** What one check found (RFC 8601 §2.2). `props` are `ptype.property` to value, such as `header.d`. */
export interface AuthenticationResult {
  method: string;
  method_version?: number;
  result: string;
  reason?: string;
  props: Map<string, string>;
}

export interface AuthenticationResults {
  serv_id: string;
  version?: number;
  results: AuthenticationResult[];
}

const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/;
/** RFC 8601 §2.2 pvalue: a token, or an address or domain after `@`; nothing that would need quotes. */
const PLAIN_VALUE = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~@/:]+$/;

/** The value of an Authentication-Results header, one result in each line. */
export function formatAuthenticationResults({ serv_id, version, results }: AuthenticationResults): string {
  let text = quoteUnless(TOKEN, serv_id);
  if (version !== undefined) text += ` ${version}`;
  // RFC 8601 §2.2: `none` when there is nothing to tell.
  if (results.length === 0) return `${text}; none`;
  for (const { method, method_version, result, reason, props } of results) {
    text += `;\r\n\t${keyword(method)}${method_version === undefined ? '' : `/${method_version}`}=${keyword(result)}`;
    if (reason !== undefined) text += `\r\n\treason=${ascii(quoteUnless(TOKEN, reason))}`;
    for (const [name, value] of props)
      text += `\r\n\t${keyword(name)}=${ascii(quoteUnless(PLAIN_VALUE, value))}`;
  }
  return text;
}

function keyword(text: string): string {
  return text.replace(/[^A-Za-z0-9._-]/g, '-');
}

/** Controls would break the header apart; UTF-8 may stand in it (RFC 8601 §5). */
function ascii(text: string): string {
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' ');
}

/** Parses the value of an Authentication-Results header. Throws HeaderSyntaxError. */
export function parseAuthenticationResults(text: string): AuthenticationResults {
  const tokens = new HeaderTokens(text);
  tokens.skip();
  const serv_id = word(tokens, '; \t\r\n(');
  if (serv_id === '') tokens.fail('the name of the server');
  tokens.skip();
  const version = tokens.token();
  const parsed: AuthenticationResults = { serv_id, results: [] };
  if (/^\d{1,9}$/.test(version)) parsed.version = Number(version);
  else if (version !== '') tokens.fail('a version');
  for (;;) {
    tokens.skip();
    if (tokens.isAtEnd) return parsed;
    if (!tokens.take(';')) tokens.fail('; before a result');
    tokens.skip();
    if (tokens.isAtEnd) return parsed;
    const result = readResult(tokens);
    if (result !== undefined) parsed.results.push(result);
  }
}

function readResult(tokens: HeaderTokens): AuthenticationResult | undefined {
  const method = tokens.token();
  const result: AuthenticationResult = { method, result: '', props: new Map() };
  tokens.skip();
  if (tokens.take('/')) {
    tokens.skip();
    const version = tokens.token();
    if (!/^\d{1,9}$/.test(version)) tokens.fail('the version of a method');
    result.method_version = Number(version);
    tokens.skip();
  }
  if (method.toLowerCase() === 'none' && tokens.next !== '=') return undefined;
  if (method === '' || !tokens.take('=')) tokens.fail('method=result');
  tokens.skip();
  result.result = tokens.token();
  for (;;) {
    tokens.skip();
    if (tokens.isAtEnd || tokens.next === ';') return result;
    const name = tokens.token();
    tokens.skip();
    if (name === '' || !tokens.take('=')) tokens.fail('property=value');
    tokens.skip();
    const value = word(tokens, '; \t\r\n(');
    if (name.toLowerCase() === 'reason') result.reason = value;
    else result.props.set(name, value);
  }
}

function word(tokens: HeaderTokens, ends: string): string {
  if (!tokens.isAt('"')) return tokens.until(ends);
  const start = tokens.index;
  const content = tokens.quoted();
  if (!tokens.isAt('@')) return content;
  // RFC 8601 §2.2: an address may have a quoted local part, which keeps its quotes.
  tokens.until(ends);
  return tokens.text.slice(start, tokens.index);
}
