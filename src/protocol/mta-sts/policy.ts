/** What a domain asks of those who send to it (RFC 8461 §3.2). */
export interface MtaStsPolicy {
  mode: 'enforce' | 'testing' | 'none';
  /** Host names, `*.` for one label of any kind before them; lower case. */
  mx: string[];
  /** Seconds for which it holds. */
  maxAge: number;
}

/** A text that is no policy; it counts as none. */
export class MtaStsPolicyError extends Error {}

/** The largest that RFC 8461 §3.2 knows, about a year. */
const MAX_AGE = 31_557_600;
/** More hosts than anybody has; a policy may have 64 KiB. */
const MAX_HOSTS = 1000;
const HOST = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/**
 * Parses a policy. Lines end in CRLF or LF; unknown keys mean nothing; of a key that may stand once, the first
 * counts. Throws MtaStsPolicyError.
 */
export function parseMtaStsPolicy(text: string): MtaStsPolicy {
  const fields = new Map<string, string>();
  const mx = new Set<string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const key = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (key === 'mx') mx.add(mxPattern(value));
    else if (!fields.has(key)) fields.set(key, value);
  }
  if (fields.get('version') !== 'STSv1') throw new MtaStsPolicyError('version is not STSv1');
  const mode = fields.get('mode');
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') {
    throw new MtaStsPolicyError('mode is none of enforce, testing and none');
  }
  const maxAge = fields.get('max_age');
  if (maxAge === undefined || !/^\d{1,10}$/.test(maxAge)) {
    throw new MtaStsPolicyError('max_age is not a number of seconds');
  }
  if (mode !== 'none' && mx.size === 0) throw new MtaStsPolicyError('mx is missing');
  if (mx.size > MAX_HOSTS) throw new MtaStsPolicyError(`it has more than ${MAX_HOSTS} mx`);
  return { mode, mx: [...mx], maxAge: Math.min(Number(maxAge), MAX_AGE) };
}

/** The text that parses back to the policy. */
export function formatMtaStsPolicy({ mode, mx, maxAge }: MtaStsPolicy): string {
  const hosts = mx.map((host) => `mx: ${host}\n`).join('');
  return `version: STSv1\nmode: ${mode}\n${hosts}max_age: ${maxAge}\n`;
}

function mxPattern(value: string): string {
  const pattern = value.toLowerCase().replace(/\.$/, '');
  if (!HOST.test(pattern)) throw new MtaStsPolicyError('an mx is not a host name');
  return pattern;
}

/** Whether a host may take mail under the policy (RFC 8461 §4.1). `host`: A-labels, lower case, no trailing dot. */
export function allowsMx(policy: MtaStsPolicy, host: string): boolean {
  return policy.mx.some((pattern) => {
    if (!pattern.startsWith('*.')) return pattern === host;
    // The star stands for exactly one label.
    const dot = host.indexOf('.');
    return dot > 0 && host.slice(dot + 1) === pattern.slice(2);
  });
}
