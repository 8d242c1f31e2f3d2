import { type Dial, DialError, type DialTarget } from '../../io/net/index.ts';
import type { Clock, TlsInfo, Transport } from '../../model/index.ts';
import { formatReplyLine, type Reply } from '../../protocol/smtp/index.ts';
import { type Candidate, ConnectFailure, type ConnectFailureKind } from './candidate.ts';
import { type Capabilities, noCapabilities, parseCapabilities } from './capabilities.ts';
import { HandshakeTimeout, QUIT_TIMEOUT, SmtpConnection } from './connection.ts';
import type { SmtpPathOptions, SmtpSourceOptions } from './path-options.ts';
import { SmtpSession } from './session.ts';

export interface ConnectRequest {
  candidate: Candidate;
  path: SmtpPathOptions;
  source: SmtpSourceOptions;
  /** Our name in EHLO and HELO. */
  ehloName: string;
  dial: Dial;
  clock: Clock;
  /** Leaves out STARTTLS in the opportunistic modes, because it failed here lately (remember_broken_tls). */
  avoidTls?: boolean;
}

/**
 * Makes a session with one candidate: connects, awaits the banner, greets, and secures the connection as
 * `enable_tls` says (delivery.md 12). Rejects with ConnectFailure only.
 */
export async function connectSmtp(request: ConnectRequest): Promise<SmtpSession> {
  const { path } = request;
  const opportunistic = path.enable_tls === 'Opportunistic' || path.enable_tls === 'OpportunisticInsecure';
  const withTls = path.enable_tls !== 'Disabled' && !(opportunistic && request.avoidTls === true);
  try {
    return await new Greeting(request, withTls).session();
  } catch (error) {
    if (!(error instanceof BrokenTls)) throw error;
    // A handshake that failed leaves no socket to go on with, so clear text means a new connection.
    const inClear =
      path.enable_tls === 'OpportunisticInsecure' ||
      (opportunistic && path.opportunistic_tls_reconnect_on_failed_handshake);
    if (!inClear) throw error;
    const session = await new Greeting(request, false).session();
    session.brokenTls = error.message;
    return session;
  }
}

/** STARTTLS was there and did not work. */
class BrokenTls extends ConnectFailure {}

/** The steps from a connection to a session: banner → EHLO (→ HELO) → STARTTLS → EHLO. */
class Greeting {
  readonly #request: ConnectRequest;
  readonly #withTls: boolean;
  readonly #ehloLine: string;
  #connection: SmtpConnection | undefined;

  constructor(request: ConnectRequest, withTls: boolean) {
    this.#request = request;
    this.#withTls = withTls;
    if (!/^[!-~\u0080-\uffff]+$/.test(request.ehloName)) {
      throw new ConnectFailure(request.candidate, 'ehlo', 'our EHLO name is not one that can be sent');
    }
    this.#ehloLine = `EHLO ${request.ehloName}\r\n`;
  }

  async session(): Promise<SmtpSession> {
    const { path, clock } = this.#request;
    const connection = new SmtpConnection(await this.#dial(), clock);
    this.#connection = connection;
    const banner = await this.#ask('', path.banner_timeout);
    if (banner.code !== 220) throw this.#refused('banner', 'banner', banner);
    let capabilities = await this.#greet();
    let tls: TlsInfo | undefined;
    if (this.#withTls && this.#wantsTls(capabilities)) {
      tls = await this.#startTls(connection);
      capabilities = parseCapabilities(await this.#ehlo());
    }
    return new SmtpSession(connection, { ...this.#request, capabilities, tls });
  }

  async #dial(): Promise<Transport> {
    const { candidate, path, source } = this.#request;
    const target: DialTarget = {
      address: candidate.address,
      port: candidate.port,
      localAddress: source.source_address,
      timeout: path.connect_timeout,
    };
    try {
      return await this.#request.dial(target);
    } catch (error) {
      const kind = error instanceof DialError && error.kind !== 'failed' ? error.kind : 'dial';
      const from = kind === 'unplumbed' ? ` from ${source.source_address}` : '';
      throw new ConnectFailure(candidate, kind, `connect${from}: ${(error as Error).message}`);
    }
  }

  /** EHLO, or HELO where a server knows only that (RFC 5321 §3.2). */
  async #greet(): Promise<Capabilities> {
    const { path, ehloName } = this.#request;
    const reply = await this.#ask(this.#ehloLine, path.ehlo_timeout);
    if (reply.code === 250) return parseCapabilities(reply);
    if (reply.code < 500) throw this.#refused('ehlo', 'EHLO', reply);
    const plain = await this.#ask(`HELO ${ehloName}\r\n`, path.ehlo_timeout);
    if (plain.code !== 250) throw this.#refused('ehlo', 'HELO', plain);
    return noCapabilities;
  }

  async #ehlo(): Promise<Reply> {
    const reply = await this.#ask(this.#ehloLine, this.#request.path.ehlo_timeout);
    if (reply.code !== 250) throw this.#refused('ehlo', 'EHLO after STARTTLS', reply);
    return reply;
  }

  #wantsTls(capabilities: Capabilities): boolean {
    if (capabilities.has('STARTTLS')) return true;
    const mode = this.#request.path.enable_tls;
    if (mode !== 'Required' && mode !== 'RequiredInsecure') return false;
    this.#leave();
    throw new ConnectFailure(
      this.#request.candidate,
      'starttls',
      `STARTTLS is not offered, but enable_tls is ${mode}`,
    );
  }

  async #startTls(connection: SmtpConnection): Promise<TlsInfo> {
    const { candidate, path } = this.#request;
    const reply = await this.#ask('STARTTLS\r\n', path.starttls_timeout);
    if (reply.code !== 220) {
      this.#leave();
      throw new BrokenTls(candidate, 'starttls', `STARTTLS: ${formatReplyLine(reply)}`, reply);
    }
    // RFC 3207 §6: nothing that came before the handshake may count, so a server that sends more is refused.
    if (connection.gone || connection.hasUnreadInput) {
      connection.abort('more octets after the reply to STARTTLS');
      throw new ConnectFailure(candidate, 'starttls', 'STARTTLS: the server sent more than its reply');
    }
    const verify = path.enable_tls === 'Opportunistic' || path.enable_tls === 'Required';
    try {
      const serverName = candidate.name === '' ? candidate.address : candidate.name;
      return await connection.secure({ serverName, verify, timeout: path.starttls_timeout });
    } catch (error) {
      if (error instanceof HandshakeTimeout) {
        const text = `STARTTLS: Timed Out waiting ${path.starttls_timeout / 1000}s for the TLS handshake`;
        throw new ConnectFailure(candidate, 'starttls-timeout', text);
      }
      throw new BrokenTls(candidate, 'starttls', `STARTTLS: ${(error as Error).message}`);
    }
  }

  async #ask(line: string, timeout: number): Promise<Reply> {
    const { replies, failure } = await this.#connection!.exchange(
      [{ line, timeout }],
      line === '' ? [] : [line],
    );
    if (failure === undefined) return replies[0]!;
    const step = line === '' ? '' : `${line.trimEnd()}: `;
    throw new ConnectFailure(this.#request.candidate, failure.kind, step + failure.text);
  }

  #refused(kind: ConnectFailureKind, step: string, reply: Reply): ConnectFailure {
    this.#leave();
    return new ConnectFailure(this.#request.candidate, kind, `${step}: ${formatReplyLine(reply)}`, reply);
  }

  /** Takes leave without making the next candidate wait for it. */
  #leave(): void {
    const connection = this.#connection!;
    const line = 'QUIT\r\n';
    void connection.exchange([{ line, timeout: QUIT_TIMEOUT }], [line]).then(() => connection.close());
  }
}
