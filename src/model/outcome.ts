import type { Reply } from '../protocol/smtp/index.ts';

/** Why a message is put back into its scheduled queue (delivery.md 4, exact names). */
export type RequeueReason =
  | 'Received'
  | 'Enumerated'
  | 'ScheduledForLater'
  | 'ReadyQueueWasSuspended'
  | 'MessageRateThrottle'
  | 'ThrottledByThrottleInsertReadyQueue'
  | 'ReadyQueueWasFull'
  | 'FailedToInsertIntoReadyQueue'
  | 'MessageGetQueueNameFailed'
  | 'AdminRebind'
  | 'DueTimeWasReached'
  | 'MaxReadyWasReducedByConfigUpdate'
  | 'ReadyQueueWasDelayedDueToLowMemory'
  | 'FailedDueToNullMx'
  | 'MxResolvedToZeroHosts'
  | 'MxWasProhibited'
  | 'MxWasSkipped'
  | 'TooManyConnectionFailures'
  | 'TooManyRecipients'
  | 'ConnectionRateThrottle'
  | 'LoggedTransientFailure'
  | 'ReadyQueueWasReaped'
  | 'DispatcherDrop'
  | 'PeerClosedConnection'
  | 'ProtocolChanged'
  | 'SpoolUnhealthy'
  | 'SourceIsUnhealthyAndSuspended';

/** How one attempt ended for one recipient. Settled exactly once. */
export type Outcome =
  | { kind: 'delivered'; reply: Reply }
  | { kind: 'transient'; reply: Reply }
  | { kind: 'permanent'; reply: Reply };

/** Recipients of one message that got the same outcome. Indexes are into the recipients of the attempt. */
export interface RecipientOutcome {
  recipient: number;
  outcome: Outcome;
}

/** The other end of a connection, as log records name it. */
export interface PeerAddress {
  name: string;
  addr: string;
  /** DNSSEC proved the address. */
  is_secure?: true;
}

/** Where a connection of ours came from, as log records tell it (operations.md 9.2). Each end is `IP:PORT`. */
export interface SourceAddress {
  /** With port 0 when a proxy did not say. */
  address: string;
  /** The proxy that the connection went through. */
  server?: string;
  protocol?: 'haproxy' | 'socks5';
}

export interface TlsInfo {
  cipher: string;
  protocolVersion: string;
  peerSubjectName: string[];
  /** Of connections that we made: whether an earlier session was resumed. */
  resumed?: boolean;
  /** Of connections that we made: the certificate proves who the peer is, whether or not that was asked. */
  verified?: boolean;
}
