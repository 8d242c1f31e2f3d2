import { createHash, createHmac } from 'node:crypto';

/** Signature version 4 of Amazon Web Services. */

export interface AwsRequest {
  readonly accessKey: string;
  readonly secretKey: Uint8Array;
  readonly region: string;
  readonly service: string;
  readonly method: string;
  /** Path, with leading `/`. */
  readonly uri: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly sessionToken?: string | undefined;
}

export interface AwsSignature {
  readonly authorization: string;
  /** `YYYYMMDDTHHMMSSZ`, for the header X-Amz-Date. */
  readonly timestamp: string;
  readonly signature: string;
  readonly canonical_request: string;
  readonly string_to_sign: string;
}

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');
const keyed = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest();

/** Everything but A-Z a-z 0-9 - _ . ~ as %XX of its UTF-8. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function byName(a: readonly [string, string], b: readonly [string, string]): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
  return a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0;
}

export function signForAws(request: AwsRequest): AwsSignature {
  const timestamp = new Date(request.time).toISOString().replace(/[-:]|\.\d+/g, '');
  const day = timestamp.slice(0, 8);
  const headers = canonicalHeaders(request, timestamp);
  const signedHeaders = headers.map(([name]) => name).join(';');
  const query = Object.entries(request.query)
    .map(([name, value]) => [escaped(name), escaped(value)] as const)
    .sort(byName)
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const canonicalRequest = [
    request.method,
    request.uri.split('/').map(escaped).join('/') || '/',
    query,
    ...headers.map(([name, value]) => `${name}:${value}`),
    '',
    signedHeaders,
    sha256(request.payload),
  ].join('\n');
  const scope = `${day}/${request.region}/${request.service}/aws4_request`;
  const stringToSign = ['AWS4-HMAC-SHA256', timestamp, scope, sha256(canonicalRequest)].join('\n');
  const secret = Buffer.concat([Buffer.from('AWS4'), request.secretKey]);
  const parts = [day, request.region, request.service, 'aws4_request'];
  const signature = keyed(parts.reduce(keyed, secret), stringToSign).toString('hex');
  const credential = `Credential=${request.accessKey}/${scope}`;
  return {
    authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
    timestamp,
    signature,
    canonical_request: canonicalRequest,
    string_to_sign: stringToSign,
  };
}

function canonicalHeaders(request: AwsRequest, timestamp: string): [string, string][] {
  const headers = new Map(
    Object.entries(request.headers).map(([name, value]) => [
      name.toLowerCase(),
      value.trim().replace(/ +/g, ' '),
    ]),
  );
  if (!headers.has('x-amz-date')) headers.set('x-amz-date', timestamp);
  if (request.sessionToken !== undefined) headers.set('x-amz-security-token', request.sessionToken);
  return [...headers].sort(byName);
}
