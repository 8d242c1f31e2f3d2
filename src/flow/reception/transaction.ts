import type {
  ConnectionMeta,
  Endpoint,
  MaybePromise,
  Message,
  ReceptionTrace,
  RelayFacts,
  RelayFailure,
  TlsInfo,
} from '../../model/index.ts';
import type { EsmtpListenerOptions } from '../../model/options/index.ts';
import type { EnvelopeAddress } from '../../protocol/smtp/index.ts';

/** A finished SMTP transaction. */
export interface Transaction {
  sender: EnvelopeAddress;
  recipients: EnvelopeAddress[];
  body: Buffer;
  meta: ConnectionMeta;
  listener: Pick<
    EsmtpListenerOptions,
    'batch_handling' | 'deferred_queue' | 'deferred_spool' | 'trace_headers'
  >;
  hostname: string;
  peer: Endpoint;
  local: Endpoint;
  sessionId: string;
  ehloDomain: string | undefined;
  tls?: TlsInfo | undefined;
  isAuthenticated?: boolean;
  /** Monotonic ms at which data_processing_timeout ends. */
  deadline: number;
  /** What policy made of it in smtp_server_data, when that event has a handler. */
  message?: Message | undefined;
  /** What the client may do, when that depends on the domains; see smtp-server. Absent: it may send anything. */
  relayOf?:
    | ((sender: EnvelopeAddress, recipient: EnvelopeAddress) => MaybePromise<RelayFacts | RelayFailure>)
    | undefined;
  /** For those who watch the session. */
  trace?: ReceptionTrace | undefined;
  /** The recipients of each message, when policy has said so. */
  batches?: EnvelopeAddress[][] | undefined;
}
