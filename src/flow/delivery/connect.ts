import { type Dial, DialError, type DialTarget } from '../../io/net/index.ts';
import type { Clock, PeerTlsPolicy, TlsClientSettings, TlsInfo, Transport } from '../../model/index.ts';
import { formatReplyLine, type Reply } from '../../protocol/smtp/index.ts';
import {
  AUTH_SHOWN,
  type PlainCredentials,
  plainCredentials,
  secretsOf,
  whyNotAuthPlain,
  withoutCredentials,
} from './auth-plain.ts';
import { type Candidate, ConnectFailure, type ConnectFailureKind } from './candidate.ts';
import { type Capabilities, noCapabilities, parseCapabilities } from './capabilities.ts';
import type { ClientTrace } from './client-trace.ts';
import { HandshakeTimeout, QUIT_TIMEOUT, SmtpConnection } from './connection.ts';
import type { SmtpPathOptions, SmtpSourceOptions } from './path-options.ts';
import type { PeerSecurity } from './peer-security.ts';
import { greetingPhase, phases } from './phases.ts';
import { proxyRouteOf } from './proxy-route.ts';
import { SmtpSession } from './session.ts';
import { type TlsPlan, tlsPlanFor } from './tls-plan.ts';

export interface ConnectRequest {
  candidate: Candidate;
  path: SmtpPathOptions;
  source: SmtpSourceOptions;
  /** Our name in EHLO and HELO. */
  ehloName: string;
  dial: Dial;
  clock: Clock;
  security: PeerSecurity;
  /** Name of the ready queue, under which broken TLS is remembered. */
  queue: string;
  trace?: ClientTrace;
}

/** How long broken TLS is remembered when opportunistic_tls_reconnect_on_failed_handshake alone asks for it, ms. */
const REMEMBER_BROKEN_TLS = 15 * 60_000;

/**
 * Makes a session with one candidate: connects, awaits the banner, greets, secures the connection as `enable_tls`
 * and the candidate's own policy say (delivery.md 12), and authenticates. Rejects with ConnectFailure only.
 */
export async function connectSmtp(request: ConnectRequest): Promise<SmtpSession> {
  try {
    return await connectAs(request);
  } catch (error) {
    request.trace?.note('ERROR', (error as Error).message);
    request.trace?.closed();
    throw error;
  }
}

async function connectAs(request: ConnectRequest): Promise<SmtpSession> {
  const { path, candidate, security, queue, trace } = request;
  if (candidate.tls?.failure !== undefined) {
    throw new ConnectFailure(candidate, 'tls-policy', candidate.tls.failure);
  }
  const plan = tlsPlanFor(path, candidate);
  if (candidate.tls !== undefined) trace?.note('INFO', askedOfTls(candidate.tls));
  const isAvoided = plan.isOptional && security.isTlsBroken(queue);
  const withTls = path.implicit_tls || (plan.mode !== 'Disabled' && !isAvoided);
  try {
    return await new Greeting(request, withTls ? plan : undefined).session();
  } catch (error) {
    if (!(error instanceof BrokenTls) || !plan.isOptional) throw error;
    const reconnects = path.opportunistic_tls_reconnect_on_failed_handshake;
    const remember = path.remember_broken_tls ?? (reconnects ? REMEMBER_BROKEN_TLS : 0);
    if (remember > 0) security.rememberBrokenTls(queue, remember);
    // A handshake that failed leaves no socket to go on with, so clear text means a new connection.
    if (plan.mode !== 'OpportunisticInsecure' && !reconnects) throw error;
    trace?.note('INFO', `in clear text, because TLS does not work: ${error.message}`);
    const session = await new Greeting(request, undefined).session();
    session.brokenTls = error.message;
    return session;
  }
}

function askedOfTls({ by, mode, tlsa = [] }: PeerTlsPolicy): string {
  if (by === 'mta-sts') return `MTA-STS: TLS is ${mode}`;
  return `DANE: TLS is ${mode}, TLSA records: ${tlsa.length}`;
}

const WANTS_TLS = { dane: 'DANE requires TLS', 'mta-sts': 'MTA-STS requires TLS' } as const;

/** TLS was there and did not work. */
class BrokenTls extends ConnectFailure {}

/** The steps from a connection to a session: (TLS →) banner → EHLO (→ HELO) → STARTTLS → EHLO → AUTH. */
class Greeting {
  readonly #request: ConnectRequest;
  /** undefined: in clear. */
  readonly #plan: TlsPlan | undefined;
  readonly #ehloLine: string;
  #connection: SmtpConnection | undefined;

  constructor(request: ConnectRequest, plan: TlsPlan | undefined) {
    this.#request = request;
    this.#plan = plan;
    if (!/^[!-~\u0080-\uffff]+$/.test(request.ehloName)) {
      throw new ConnectFailure(request.candidate, 'ehlo', 'our EHLO name is not one that can be sent');
    }
    this.#ehloLine = `${request.path.use_lmtp ? 'LHLO' : 'EHLO'} ${request.ehloName}\r\n`;
  }

  async session(): Promise<SmtpSession> {
    const { path, clock } = this.#request;
    const settings = this.#plan && (await this.#tlsSettings());
    const connection = new SmtpConnection(await this.#dial(), clock, this.#request.trace);
    this.#connection = connection;
    let tls: TlsInfo | undefined;
    if (path.implicit_tls) tls = await this.#handshake(connection, this.#plan!, settings!, 'TLS');
    const banner = await this.#ask('', path.banner_timeout);
    if (banner.code !== 220) throw this.#refused('banner', 'banner', banner);
    let capabilities = await this.#greet();
    if (this.#plan !== undefined && tls === undefined && this.#wantsTls(capabilities, this.#plan)) {
      tls = await this.#startTls(connection, this.#plan, settings!);
      capabilities = parseCapabilities(await this.#ehlo());
    }
    if (path.smtp_auth_plain_username !== undefined) {
      await this.#authenticate(path.smtp_auth_plain_username, tls, capabilities);
    }
    return new SmtpSession(connection, { ...this.#request, capabilities, tls });
  }

  async #dial(): Promise<Transport> {
    const { candidate, path, source, security } = this.#request;
    try {
      const target: DialTarget = {
        address: candidate.address,
        port: candidate.port,
        localAddress: source.source_address,
        timeout: path.connect_timeout,
        proxy: await proxyRouteOf(source, security),
      };
      const began = this.#request.clock.monotonic();
      const transport = await this.#request.dial(target);
      phases.connect.took(this.#request.clock.monotonic() - began);
      return transport;
    } catch (error) {
      const kind = error instanceof DialError && error.kind !== 'failed' ? error.kind : 'dial';
      const from = kind === 'unplumbed' ? ` from ${source.source_address}` : '';
      throw new ConnectFailure(candidate, kind, `connect${from}: ${(error as Error).message}`);
    }
  }

  /** EHLO, or HELO where a server knows only that (RFC 5321 §3.2). LMTP has LHLO alone (RFC 2033 §4.1). */
  async #greet(): Promise<Capabilities> {
    const { path, ehloName } = this.#request;
    const reply = await this.#ask(this.#ehloLine, path.ehlo_timeout);
    if (reply.code === 250) return parseCapabilities(reply);
    if (reply.code < 500 || path.use_lmtp) throw this.#refused('ehlo', this.#ehloLine.slice(0, 4), reply);
    const plain = await this.#ask(`HELO ${ehloName}\r\n`, path.ehlo_timeout);
    if (plain.code !== 250) throw this.#refused('ehlo', 'HELO', plain);
    return noCapabilities;
  }

  async #ehlo(): Promise<Reply> {
    const reply = await this.#ask(this.#ehloLine, this.#request.path.ehlo_timeout);
    if (reply.code !== 250)
      throw this.#refused('ehlo', `${this.#ehloLine.slice(0, 4)} after STARTTLS`, reply);
    return reply;
  }

  #wantsTls(capabilities: Capabilities, { mode, isOptional }: TlsPlan): boolean {
    if (capabilities.has('STARTTLS')) return true;
    if (isOptional) return false;
    this.#leave();
    const { candidate } = this.#request;
    const why = candidate.tls === undefined ? `enable_tls is ${mode}` : WANTS_TLS[candidate.tls.by];
    throw new ConnectFailure(candidate, 'starttls', `STARTTLS is not offered, but ${why}`);
  }

  async #startTls(connection: SmtpConnection, plan: TlsPlan, settings: TlsClientSettings): Promise<TlsInfo> {
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
    return this.#handshake(connection, plan, settings, 'STARTTLS');
  }

  /** Before the dial: a mistake of ours says nothing about the peer, and never leads to clear text. */
  async #tlsSettings(): Promise<TlsClientSettings> {
    const { candidate, path, security } = this.#request;
    try {
      return await security.tlsSettings(path);
    } catch (error) {
      throw new ConnectFailure(candidate, 'starttls', (error as Error).message);
    }
  }

  async #handshake(
    connection: SmtpConnection,
    { serverName, check }: TlsPlan,
    settings: TlsClientSettings,
    step: 'STARTTLS' | 'TLS',
  ): Promise<TlsInfo> {
    const { candidate, path, clock } = this.#request;
    try {
      const began = clock.monotonic();
      const tls = await connection.secure({ serverName, settings, check, timeout: path.starttls_timeout });
      phases.tls.took(clock.monotonic() - began);
      this.#request.trace?.secured(tls);
      return tls;
    } catch (error) {
      if (error instanceof HandshakeTimeout) {
        const text = `${step}: Timed Out waiting ${path.starttls_timeout / 1000}s for the TLS handshake`;
        throw new ConnectFailure(candidate, 'starttls-timeout', text);
      }
      throw new BrokenTls(candidate, 'starttls', `${step}: ${(error as Error).message}`);
    }
  }

  /** RFC 4616. The credentials are in no error and no reply. */
  async #authenticate(username: string, tls: TlsInfo | undefined, offered: Capabilities): Promise<void> {
    const { candidate, path } = this.#request;
    const why = whyNotAuthPlain(path, tls, offered);
    if (why !== undefined) {
      this.#leave();
      throw new ConnectFailure(candidate, 'auth', `AUTH PLAIN: ${why}`);
    }
    const credentials = await this.#credentials(username);
    const { response } = credentials;
    this.#request.trace?.hide(secretsOf(credentials));
    let said = await this.#ask(`AUTH PLAIN ${response}\r\n`, path.auth_timeout, AUTH_SHOWN);
    // RFC 4954 §4: 334 asks for the response, which a server need not take with the command.
    if (said.code === 334) said = await this.#ask(`${response}\r\n`, path.auth_timeout, AUTH_SHOWN);
    if (said.code >= 200 && said.code < 300) return;
    throw this.#refused('auth', 'AUTH PLAIN', withoutCredentials(said, credentials));
  }

  async #credentials(username: string): Promise<PlainCredentials> {
    const { candidate, path, security } = this.#request;
    const { smtp_auth_plain_password: source } = path;
    try {
      if (source === undefined) throw new Error('smtp_auth_plain_password is not set');
      return plainCredentials(username, await security.password(source));
    } catch (error) {
      this.#leave();
      throw new ConnectFailure(candidate, 'auth', `AUTH PLAIN: ${(error as Error).message}`);
    }
  }

  async #ask(line: string, timeout: number, shown = line): Promise<Reply> {
    const { replies, failure } = await this.#connection!.exchange(
      [{ line, timeout, shown, took: greetingPhase(line) }],
      line === '' ? [] : [line],
    );
    if (failure === undefined) return replies[0]!;
    const step = line === '' ? '' : `${shown.trimEnd()}: `;
    // What was read may repeat the secret in whatever form.
    const isSecret = shown !== line && failure.kind !== 'timeout';
    const text = isSecret ? 'no reply that is SMTP' : failure.text;
    throw new ConnectFailure(this.#request.candidate, failure.kind, step + text);
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
