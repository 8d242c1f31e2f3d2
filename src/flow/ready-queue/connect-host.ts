import type { PlannedHost, QueuedMessage } from '../../model/index.ts';
import { ClientTrace, connectSmtp, type Dial, type SmtpSession } from '../delivery/index.ts';
import type { ReadyParts } from './parts.ts';
import type { ReadyQueue } from './ready-queue.ts';

/** What a connection to one host of the plan is made for. */
export interface HostConnection {
  queue: ReadyQueue;
  host: PlannedHost;
  /** Of the plan, after `host`. */
  others: readonly PlannedHost[];
  /** The message in hand, if there is one. */
  first: QueuedMessage | undefined;
  dial: Dial;
}

/** A session with one host of the plan, as the path and the source of the ready queue say. Rejects with ConnectFailure. */
export function connectHost(
  parts: ReadyParts,
  { queue, host, others, first, dial }: HostConnection,
): Promise<SmtpSession> {
  const { path, source } = queue;
  const port = source.remote_port ?? host.port ?? path.smtp_port;
  const candidate = { ...host, port, explicitPort: host.port !== undefined };
  const session = {
    pool: first?.home.egressPool,
    source: source.name,
    readyQueue: queue.name,
    plan: [host, ...others],
  };
  return connectSmtp({
    candidate,
    path,
    source,
    ehloName: path.ehlo_domain ?? source.ehlo_domain ?? parts.hostname,
    dial,
    clock: parts.clock,
    security: parts.security,
    queue: queue.name,
    trace: new ClientTrace(parts.trace, session, candidate),
  });
}
