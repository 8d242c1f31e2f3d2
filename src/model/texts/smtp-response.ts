/**
 * A reply of a remote server with what differs from message to message replaced, so that equal reasons are equal
 * texts: `{timestamp} {uuid} {hash} {ipaddr} {base64} {email}`.
 */
export function normalizeSmtpResponse(text: string): string {
  return text.replace(/[^\s=,;()[\]<>"'{}]+(?:@[^\s=,;()[\]<>"'{}]+)?=*/g, (token) => normalizeToken(token));
}

const KINDS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['uuid', /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i],
  ['email', /^[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+$/],
  ['ipaddr', /^(?:\d{1,3}\.){3}\d{1,3}$/],
  ['ipaddr', /^(?=.*:.*:)[0-9a-f:]+(?:\d{1,3}(?:\.\d{1,3}){3})?$/i],
  ['timestamp', /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?$/],
  ['timestamp', /^1[0-9]{9}(?:\d{3})?$/],
  ['hash', /^(?=.*\d)[0-9a-f]{16,}$/i],
];

function normalizeToken(token: string): string {
  const end = /[.:!?]*$/.exec(token)![0];
  const inner = token.slice(0, token.length - end.length);
  for (const [kind, pattern] of KINDS) if (pattern.test(inner)) return `{${kind}}${end}`;
  return isEncoded(inner) ? `{base64}${end}` : token;
}

/** Letters of both cases and digits mixed as no word mixes them; queue ids look so. */
function isEncoded(text: string): boolean {
  const bare = text.replace(/=+$/, '');
  if (bare.length < 10 || !/^[A-Za-z0-9+/_-]+$/.test(bare) || !/\d/.test(bare) || !/[A-Za-z]/.test(bare))
    return false;
  const changes = bare.match(/[a-z](?=[A-Z0-9])|\d(?=[A-Za-z])|[A-Z](?=\d)/g)?.length ?? 0;
  return changes >= 3;
}
