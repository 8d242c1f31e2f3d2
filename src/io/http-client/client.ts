import { Agent, type IncomingMessage, type RequestOptions, request as startHttp } from 'node:http';
import { Agent as SecureAgent, request as startHttps } from 'node:https';

export interface HttpClientOptions {
  readonly userAgent?: string | undefined;
  /** Milliseconds for a request with its answer. Default 60,000. */
  readonly timeout?: number | undefined;
  /** Milliseconds after which an idle connection is closed. Default 90,000. */
  readonly poolIdleTimeout?: number | undefined;
  readonly acceptInvalidCerts?: boolean | undefined;
  /** More are an error. Default 10. */
  readonly mostRedirects?: number | undefined;
}

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body?: Uint8Array | undefined;
  /** Milliseconds; default that of the client. */
  readonly timeout?: number | undefined;
}

/** An answer whose headers are here; its body may still be on its way. */
export interface HttpAnswer {
  readonly status: number;
  readonly reason: string;
  /** In order, names as they were sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Promise<Buffer>;
}

const TIMEOUT = 60_000;
const POOL_IDLE_TIMEOUT = 90_000;
const MOST_REDIRECTS = 10;
/** A larger body is an error: it is held in memory. */
const LARGEST_BODY = 64 * 1024 * 1024;

/** Requests over kept connections. Redirects are followed as browsers do. */
export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #plain: Agent;
  readonly #secure: SecureAgent;
  #closed = false;

  constructor(options: HttpClientOptions = {}) {
    this.#options = options;
    const pool = { keepAlive: true, timeout: options.poolIdleTimeout ?? POOL_IDLE_TIMEOUT };
    this.#plain = new Agent(pool);
    this.#secure = new SecureAgent({ ...pool, rejectUnauthorized: options.acceptInvalidCerts !== true });
  }

  /** Rejects when nothing comes back; an answer of any status is an answer. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const timeout = request.timeout ?? this.#options.timeout ?? TIMEOUT;
    const signal = AbortSignal.timeout(Math.max(1, Math.ceil(timeout)));
    const most = this.#options.mostRedirects ?? MOST_REDIRECTS;
    let next = request;
    try {
      for (let redirects = 0; ; redirects++) {
        const answer = await this.#exchange(next, signal);
        const location = redirectOf(answer);
        if (location === undefined) return answer;
        await answer.body;
        if (redirects === most) throw new Error(`more than ${most} redirects`);
        next = redirected(next, location, answer.status);
      }
    } catch (error) {
      throw new Error(`${request.method} ${withoutPassword(request.url)}: ${reasonOf(error, timeout)}`);
    }
  }

  /** Idle connections go; requests under way finish; later ones fail. */
  close(): void {
    this.#closed = true;
    this.#plain.destroy();
    this.#secure.destroy();
  }

  #exchange(request: HttpRequest, signal: AbortSignal, again = false): Promise<HttpAnswer> {
    if (this.#closed) return Promise.reject(new Error('the client is closed'));
    const url = parseUrl(request.url);
    const secure = url.protocol === 'https:';
    const options: RequestOptions = {
      method: request.method,
      agent: secure ? this.#secure : this.#plain,
      headers: this.#headers(request, url),
      signal,
    };
    return new Promise((resolve, reject) => {
      const outgoing = (secure ? startHttps : startHttp)(url, options, (response) =>
        resolve(answerOf(response)),
      );
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        // The server closed a kept connection at the moment it was used again: nothing was lost.
        const stale = outgoing.reusedSocket && error.code === 'ECONNRESET' && !again;
        if (stale) this.#exchange(request, signal, true).then(resolve, reject);
        else reject(error);
      });
      outgoing.end(request.body);
    });
  }

  #headers(request: HttpRequest, url: URL): Record<string, string> {
    const headers: Record<string, string> = { Accept: '*/*' };
    const { userAgent } = this.#options;
    if (userAgent !== undefined) headers['User-Agent'] = userAgent;
    if (url.username !== '') {
      const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
      headers.Authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
    }
    if (request.body !== undefined) headers['Content-Length'] = String(request.body.length);
    for (const [name, value] of request.headers) {
      for (const known of Object.keys(headers)) {
        if (known.toLowerCase() === name.toLowerCase()) delete headers[known];
      }
      headers[name] = value;
    }
    return headers;
  }
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Error('this is no http or https URL');
  }
  return url;
}

function answerOf(response: IncomingMessage): HttpAnswer {
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
    headers.push([response.rawHeaders[i]!, response.rawHeaders[i + 1]!]);
  }
  // Read at once, so that the connection serves again also when nobody asks for the body.
  const body = readBody(response);
  body.catch(() => undefined);
  return { status: response.statusCode ?? 0, reason: response.statusMessage ?? '', headers, body };
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > LARGEST_BODY) {
      response.destroy();
      throw new Error(`the body has more than ${LARGEST_BODY} bytes`);
    }
    pieces.push(piece);
  }
  // The connection goes back to the pool at the next turn; whoever sends the next request then finds it there.
  await new Promise((resolve) => setImmediate(resolve));
  return Buffer.concat(pieces);
}

function redirectOf({ status, headers }: HttpAnswer): string | undefined {
  if (![301, 302, 303, 307, 308].includes(status)) return undefined;
  return headers.find(([name]) => name.toLowerCase() === 'location')?.[1];
}

/** RFC 9110 section 15.4: 307 and 308 repeat the request, the others ask with GET. */
function redirected(request: HttpRequest, location: string, status: number): HttpRequest {
  const url = new URL(location, request.url);
  const headers = new Map(request.headers);
  const drop = (...names: string[]) => {
    for (const name of headers.keys()) if (names.includes(name.toLowerCase())) headers.delete(name);
  };
  // Secrets were meant for the server that was asked.
  if (url.host !== new URL(request.url).host) drop('authorization', 'cookie', 'proxy-authorization');
  const repeats = status === 307 || status === 308 || request.method === 'GET' || request.method === 'HEAD';
  if (repeats) return { ...request, url: url.href, headers };
  drop('content-type', 'content-length', 'content-encoding');
  return { ...request, url: url.href, headers, method: 'GET', body: undefined };
}

function withoutPassword(text: string): string {
  return text.replace(/\/\/[^/?#]*@/, '//');
}

function reasonOf(error: unknown, timeout: number): string {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (name === 'AbortError' || name === 'TimeoutError') return `no answer within ${timeout / 1000} s`;
  return message === '' ? (code ?? name) : message;
}
