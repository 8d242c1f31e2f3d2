import { randomUUID } from 'node:crypto';
import { type ReceivedTransaction, type ReceptionAnswer, SmtpServer } from './flow/smtp-server/index.ts';
import type { Registry } from './io/metrics/index.ts';
import { type Listening, listen } from './io/net/index.ts';
import { readSecret } from './io/secrets/index.ts';
import { ListenerIdentities } from './io/tls/index.ts';
import type { KeySource } from './model/define/index.ts';
import {
  type Clock,
  type DeliveryLog,
  type Diagnostics,
  type MaybePromise,
  type PolicyEvents,
  type Refusal,
  refusalOverSmtp,
  type TraceTap,
} from './model/index.ts';
import type { EsmtpListenerOptions } from './model/options/index.ts';
import { formatHostPort } from './protocol/ip/index.ts';

/** What a shard gives to its SMTP listeners. */
export interface ListenerParts {
  clock: Clock;
  diagnostics: Diagnostics;
  policy: PolicyEvents;
  registry: Registry;
  /** Name of this machine, for listeners that name none. */
  hostname: string;
  refusal: () => Refusal | undefined;
  receive: (transaction: ReceivedTransaction) => MaybePromise<ReceptionAnswer>;
  log: () => DeliveryLog;
  isLogStalled: () => boolean;
  newMessageId: () => string;
  trace: TraceTap;
}

export interface SmtpListeners {
  /** Sessions that are open, by listener. */
  sessions(): { listener: string; count: number }[];
  /** Certificates are read anew for sessions that begin TLS from now on. */
  refresh(): void;
  /** Accepts nothing new and resolves when every session has ended. */
  stop(): Promise<void>;
}

/** Binds every SMTP listener of the shard, sharing the ports with the other shards. */
export async function startSmtpListeners(
  listeners: readonly EsmtpListenerOptions[],
  parts: ListenerParts,
): Promise<SmtpListeners> {
  const identities = new ListenerIdentities(parts.clock, (source) => readKey(source, parts.policy));
  const bound: { listening: Listening; server: SmtpServer; listener: string }[] = [];
  for (const options of listeners) {
    const server = new SmtpServer(parametersOf(options, parts, identities));
    const listening = await listen(
      { ...options.listen, reusePort: true },
      (transport) => server.accept(transport),
      (error) => parts.diagnostics.warn('smtp-server', `cannot accept a connection: ${error.message}`),
    );
    bound.push({ listening, server, listener: formatHostPort(options.listen.address, options.listen.port) });
  }
  return {
    sessions: () => bound.map(({ server, listener }) => ({ listener, count: server.connectionCount })),
    refresh: () => identities.refresh(),
    stop: async () => {
      await Promise.all(bound.map(({ listening }) => listening.close()));
      await Promise.all(bound.map(({ server }) => server.stop()));
    },
  };
}

/** The bytes of a key source. Rejects with an Error that says why not. */
export async function readKey(source: KeySource, policy: Pick<PolicyEvents, 'fire'>): Promise<Uint8Array> {
  if (source.from !== 'event') return readSecret(source);
  const result = await policy.fire(source.event, source.args);
  const value = result.kind === 'values' ? result.values[0] : undefined;
  if (typeof value === 'string') return Buffer.from(value);
  if (value instanceof Uint8Array) return value;
  throw new Error(`event ${source.event} gave no key`);
}

function parametersOf(
  options: EsmtpListenerOptions,
  parts: ListenerParts,
  identities: ListenerIdentities,
): ConstructorParameters<typeof SmtpServer>[0] {
  const { registry } = parts;
  const listener = formatHostPort(options.listen.address, options.listen.port);
  return {
    options,
    hostname: parts.hostname,
    clock: parts.clock,
    diagnostics: parts.diagnostics,
    events: parts.policy,
    refusal: () => {
      const refusal = parts.refusal();
      return refusal === undefined ? undefined : refusalOverSmtp(refusal);
    },
    receive: parts.receive,
    identity: (settled, hostname) =>
      identities.find({
        hostname,
        certificate: settled.tls_certificate,
        privateKey: settled.tls_private_key,
        clientCa: settled.tls_required_client_ca,
      }),
    newMessageId: parts.newMessageId,
    newSessionId: randomUUID,
    trace: parts.trace,
    onRejection: (refused) => {
      registry.series('smtp_server_rejections', listener).add();
      registry.series('smtp_server_rejections', 'total').add();
      // Refusals cost a client nothing: while the log does not keep up they are counted, not kept in memory.
      if (parts.isLogStalled()) return;
      const waiting = parts.log().write({
        type: 'Rejection',
        subject: { sender: refused.sender, recipient: refused.recipient, meta: refused.meta.values },
        queue: '',
        site: '',
        response: refused.reply,
        peer: { name: refused.ehloDomain ?? '', addr: refused.peer.address },
        attempts: 0,
        deliveryProtocol: null,
        tls: refused.tls,
        sessionId: refused.sessionId,
      });
      if (waiting instanceof Promise) {
        waiting.catch((error: Error) => parts.diagnostics.error('log', error.message));
      }
    },
    metrics: {
      connectionOpened: () => registry.series('connection_count', 'esmtp_listener').add(1),
      connectionClosed: () => registry.series('connection_count', 'esmtp_listener').add(-1),
      connectionDenied: () => registry.series('total_connections_denied', 'esmtp_listener').add(1),
      rejection: () => {},
    },
  };
}
