import { HeaderTokens } from './header-tokens.ts';

/** The ids of a References header, without angle brackets (RFC 5322 §3.6.4). Throws HeaderSyntaxError. */
export function parseMessageIdList(text: string): string[] {
  const tokens = new HeaderTokens(text);
  const ids: string[] = [];
  for (;;) {
    tokens.skip();
    // RFC 5322 §4.5.4 allows words of old phrases too; commas are seen in the wild.
    if (tokens.isAtEnd) return ids;
    if (tokens.take(',')) continue;
    ids.push(messageId(tokens));
  }
}

/** One id, without angle brackets. Throws HeaderSyntaxError. */
export function parseMessageId(text: string): string {
  const tokens = new HeaderTokens(text);
  tokens.skip();
  const id = messageId(tokens);
  tokens.skip();
  if (!tokens.isAtEnd) tokens.fail('the end after the message id');
  return id;
}

function messageId(tokens: HeaderTokens): string {
  if (!tokens.take('<')) tokens.fail('<');
  const id = tokens.until('<> \t');
  if (id === '' || !tokens.take('>')) tokens.fail('a message id in angle brackets');
  return id;
}

export function formatMessageIds(ids: readonly string[]): string {
  return ids.map((id) => `<${id}>`).join(' ');
}
