import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type DetailedPeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { PeerCheck, TlsClientOptions, TlsClientSettings } from '../../model/index.ts';
import { whyDaneFails } from '../../protocol/dane/index.ts';

/** Who the server is, and whether its certificate proves it. */
interface Peer {
  subject: string[];
  verified: boolean;
}

export interface SecuredClient extends Peer {
  socket: TLSSocket;
  resumed: boolean;
}

interface KnownSession {
  session: Buffer;
  peer: Peer;
}

/** Sessions kept per settings; each takes about 2 KB. */
const MAX_SESSIONS = 1000;
/** Certificates and TLSA records are looked at again after this long, ms. */
const SESSION_LIFE = 60 * 60_000;

/**
 * The client side of TLS handshakes with the same settings. The keys and authorities are read once, and a session
 * is resumed with the same server name and port, under the check that it was made with: a resumed session shows no
 * certificate, so what the first handshake told of the peer is kept with it.
 */
class TlsConnector {
  readonly #context: SecureContext;
  readonly #sessions = new LRUCache<string, KnownSession>({ max: MAX_SESSIONS, ttl: SESSION_LIFE });

  constructor(settings: TlsClientSettings) {
    const { certificate, privateKey, authorities, ciphers, secureOptions } = settings;
    this.#context = createSecureContext({
      ...(certificate !== undefined && privateKey !== undefined && { cert: certificate, key: privateKey }),
      ...(authorities !== undefined && { ca: [...authorities] }),
      ...(ciphers !== undefined && { ciphers }),
      ...(secureOptions !== undefined && { secureOptions }),
    });
  }

  /** Rejects when the handshake or the check fails; the connection is then destroyed. */
  secure(plain: Socket, options: TlsClientOptions): Promise<SecuredClient> {
    const { check } = options;
    const serverName = options.serverName.replace(/\.$/, '');
    const key = sessionName(serverName, plain.remotePort, check);
    const known = this.#sessions.get(key);
    return new Promise((resolve, reject) => {
      const secured = connect({
        socket: plain,
        secureContext: this.#context,
        servername: isIpLiteral(serverName) ? undefined : serverName,
        session: known?.session,
        rejectUnauthorized: check.kind === 'authority' && check.certificate,
        // The name is looked at below, where its verdict matters even if it was not asked for.
        checkServerIdentity: () => undefined,
      });
      const timer = setTimeout(
        () => secured.destroy(new Error('TLS handshake timed out')),
        Math.min(options.timeout, 2 ** 31 - 1),
      );
      const failed = (error: Error): void => {
        clearTimeout(timer);
        this.#sessions.delete(key);
        // What comes late, such as a reset, has nobody to hear it.
        secured.on('error', () => {});
        secured.destroy();
        // Node adds advice for those who call it, which says nothing to those who read the delivery log.
        error.message = error.message.replace(/; if the root CA is installed locally.*$/s, '');
        reject(error);
      };
      secured.once('error', failed);
      const closed = (): void => failed(new Error('the peer closed the connection during the TLS handshake'));
      secured.once('close', closed);
      let peer: Peer | undefined;
      let early: Buffer | undefined;
      // With TLS 1.3 sessions come after the handshake, and more than once.
      secured.on('session', (session) => {
        if (peer === undefined) early = session;
        else this.#sessions.set(key, { session, peer });
      });
      secured.once('secureConnect', () => {
        clearTimeout(timer);
        secured.removeListener('error', failed);
        secured.removeListener('close', closed);
        const resumed = secured.isSessionReused() && known !== undefined;
        if (resumed) peer = known.peer;
        else {
          const verdict = verify(secured, serverName, check);
          if (verdict.why !== undefined) {
            failed(new Error(verdict.why));
            return;
          }
          peer = { subject: subjectOf(secured), verified: verdict.verified };
        }
        if (early !== undefined) this.#sessions.set(key, { session: early, peer });
        resolve({ ...peer, socket: secured, resumed });
      });
    });
  }
}

interface Verdict {
  verified: boolean;
  /** Why the connection cannot go on. */
  why?: string | undefined;
}

function verify(secured: TLSSocket, serverName: string, check: PeerCheck): Verdict {
  if (check.kind === 'tlsa') {
    const { records, names } = check;
    const why = whyDaneFails({ chain: chainOf(secured), records, names, now: Date.now() });
    return { verified: why === undefined, why };
  }
  const certificate = secured.getPeerCertificate();
  const wrongName = checkServerIdentity(serverName, certificate)?.message;
  return {
    verified: secured.authorized && wrongName === undefined,
    why: check.name ? wrongName : undefined,
  };
}

/** `CN=…` and the like, as log records name it. */
export function subjectOf(secured: TLSSocket): string[] {
  const subject = secured.getPeerCertificate().subject ?? {};
  return Object.entries(subject).map(([key, value]) => `${key}=${String(value)}`);
}

/** What the server sent and the authority that is trusted for it, in DER, its own certificate first. */
function chainOf(secured: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  let certificate: DetailedPeerCertificate | undefined = secured.getPeerCertificate(true);
  // The last of a chain names itself as its issuer.
  while (certificate?.raw !== undefined && !chain.some((der) => der.equals(certificate!.raw))) {
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

function sessionName(serverName: string, port: number | undefined, check: PeerCheck): string {
  if (check.kind === 'authority') return `${serverName} ${port} ${check.certificate} ${check.name}`;
  const hash = createHash('sha256');
  for (const { usage, selector, matchingType, data } of check.records) {
    hash.update(`${usage} ${selector} ${matchingType} ${data.toString('hex')}\n`);
  }
  return `${serverName} ${port} ${check.names.join(',')} ${hash.digest('hex')}`;
}

function isIpLiteral(name: string): boolean {
  return name === '' || name.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(name);
}

const CONNECTORS = new WeakMap<TlsClientSettings, TlsConnector>();

/** Made once per settings. Throws when they cannot be used, such as a key that is not that of the certificate. */
export function connectorOf(settings: TlsClientSettings): TlsConnector {
  let connector = CONNECTORS.get(settings);
  if (connector === undefined) {
    connector = new TlsConnector(settings);
    CONNECTORS.set(settings, connector);
  }
  return connector;
}

/** Throws when no TLS can be spoken with them. */
export function checkClientSettings(settings: TlsClientSettings): void {
  connectorOf(settings);
}
