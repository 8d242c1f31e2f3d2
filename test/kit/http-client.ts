import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { gunzipSync } from 'node:zlib';

export interface AskOptions {
  /** `USER:PASSWORD`, for basic authentication. */
  user?: string;
  headers?: Record<string, string>;
  /** Sent as JSON with POST. */
  body?: unknown;
  /** PEM of the authority that the server must be known to; without it anybody will do. */
  ca?: string;
  /** Address to connect to in place of the name in the URL. */
  at?: { host: string; port: number };
}

/** One request on a connection of its own; gives status and text, which is unpacked. Rejects without an answer. */
export function ask(url: string, options: AskOptions = {}): Promise<[number, string]> {
  const { user, headers, body, ca, at } = options;
  const target = new URL(url);
  const isHttps = target.protocol === 'https:';
  const tls = { servername: target.hostname, ...(ca === undefined ? { rejectUnauthorized: false } : { ca }) };
  const given = {
    method: body === undefined ? 'GET' : 'POST',
    agent: false,
    headers: {
      host: target.host,
      'accept-encoding': 'gzip',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(user !== undefined && { auth: user }),
    ...(at !== undefined && { hostname: at.host, port: at.port }),
    ...(isHttps && tls),
  };
  return new Promise((resolve, reject) => {
    const request = (isHttps ? requestHttps : requestHttp)(target, given, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => {
        const all = Buffer.concat(chunks);
        const plain = response.headers['content-encoding'] === 'gzip' ? gunzipSync(all) : all;
        resolve([response.statusCode!, plain.toString()]);
      });
    });
    request.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}
