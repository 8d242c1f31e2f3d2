import { STATUS_CODES } from 'node:http';
import type { Command } from 'commander';

/** How long an answer may take, ms (operations.md 8). */
const TIMEOUT = 60_000;

const DEFAULT = 'http://127.0.0.1:8000';

/** Adds `--endpoint`; it may as well stand before the name of the command (operations.md 8). */
export function endpointOption(command: Command): Command {
  const url = command.createOption(
    '--endpoint <url>',
    `HTTP listener of the server, http://USER:PASSWORD@HOST:PORT where it asks for them (env KUMO_KCLI_ENDPOINT; default ${DEFAULT})`,
  );
  return command.addOption(url);
}

/** The server that the command is about. Usage error when what names it is no URL. */
export function serverOf(command: Command): Server {
  const { endpoint } = command.optsWithGlobals<{ endpoint?: string }>();
  const url = endpoint ?? process.env.KUMO_KCLI_ENDPOINT ?? DEFAULT;
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    command.error(
      `error: endpoint '${url.replace(/\/\/[^@/]*@/, '//***@')}' must be a URL such as ${DEFAULT}`,
    );
  }
  return new Server(url);
}

/** What is sent: `query` in the URL without what is undefined, `body` as JSON. */
export interface Asked {
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  body?: unknown;
}

/** The HTTP API of a running server. Every method throws with what the server said unless that is success. */
export class Server {
  /** Without the password that may stand in it: it is shown. */
  readonly endpoint: string;
  /** With it. */
  readonly url: string;
  /** Value of the header Authorization, when the endpoint has a user. */
  readonly #authorization: string | undefined;
  readonly #timeout: number;

  /** `timeout` in ms. */
  constructor(endpoint: string, timeout: number = TIMEOUT) {
    const url = new URL(endpoint);
    const user = decodeURIComponent(url.username);
    const password = decodeURIComponent(url.password);
    this.#authorization =
      user === '' ? undefined : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    this.endpoint = user === '' ? endpoint : endpoint.replace(/^([a-z]+:\/\/)[^@/]*@/i, '$1');
    this.url = endpoint;
    this.#timeout = timeout;
  }

  async getJson<T>(path: string, asked: Asked = {}): Promise<T> {
    return JSON.parse(await this.text('GET', path, asked)) as T;
  }

  async postJson<T>(path: string, body: unknown): Promise<T> {
    return JSON.parse(await this.text('POST', path, { body })) as T;
  }

  async text(method: 'GET' | 'POST' | 'DELETE', path: string, { query, body }: Asked = {}): Promise<string> {
    const url = new URL(path, this.endpoint);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const init: RequestInit = {
      method,
      signal: AbortSignal.timeout(this.#timeout),
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(this.#authorization !== undefined && { authorization: this.#authorization }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    };
    const { status, text } = await this.#fetch(url, init);
    if (status >= 200 && status < 300) return text;
    const reason = STATUS_CODES[status] ?? 'unknown';
    throw new Error(`request status ${status}: ${reason}. Response body: ${text.trim()}`);
  }

  async #fetch(url: URL, init: RequestInit): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(url, init);
      return { status: response.status, text: await response.text() };
    } catch (error) {
      if ((error as Error).name === 'TimeoutError') {
        throw new Error(`${this.endpoint} did not answer within ${this.#timeout / 1000} s`);
      }
      const cause = (error as Error).cause as Error | undefined;
      throw new Error(`cannot reach ${this.endpoint}: ${cause?.message || (error as Error).message}`);
    }
  }
}
