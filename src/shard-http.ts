import { type HttpParts, type HttpServer, serveHttp } from './api/http/index.ts';
import type { CoordinatorLine } from './coordinator-line.ts';
import { systemClock } from './io/clock/index.ts';
import { AuditLines, type LineBatch } from './io/delivery-log/index.ts';
import { ListenerIdentities } from './io/tls/index.ts';
import type { PolicyEngine } from './lua/index.ts';
import { accessControl } from './model/access/index.ts';
import {
  accountingLog,
  declaredLoggers,
  type InitDeclaration,
  type PolicyHost,
  type Refusal,
} from './model/index.ts';
import type { HttpListenerOptions } from './model/options/index.ts';
import { formatHostPort } from './protocol/ip/index.ts';
import { readMetrics } from './shard-metrics.ts';
import { resolvePath } from './shard-path.ts';
import type { ShardTraces } from './shard-traces.ts';
import { readKey } from './smtp-listeners.ts';

/** What a shard gives to its HTTP listeners. */
export interface HttpListenerParts {
  declarations: readonly InitDeclaration[];
  /** Name of this machine, for listeners that name none. */
  hostname: string;
  coordinator: CoordinatorLine;
  host: PolicyHost;
  policy: Pick<PolicyEngine, 'fire' | 'handles' | 'close'>;
  refusal: () => Refusal | undefined;
  injection: HttpParts['injection'];
  traces: ShardTraces;
  /** Hands lines to the writer of the process; resolves when it has room for more. */
  send: (batches: LineBatch[]) => Promise<void>;
}

export interface HttpListeners {
  /** Certificates are read anew for connections from now on. */
  refresh(): void;
  /** Answers nothing more; resolves when the writer has all that was audited. */
  close(): Promise<void>;
}

/** Binds every HTTP listener of the shard, sharing the ports with the other shards. */
export async function startHttpListeners(parts: HttpListenerParts): Promise<HttpListeners> {
  const { declarations, policy, hostname } = parts;
  const identities = new ListenerIdentities(systemClock, (source) => readKey(source, policy));
  const audit = auditLines(parts);
  const shared = httpParts(parts, audit);
  const servers: HttpServer[] = [];
  for (const { options, where } of declarations.filter(({ kind }) => kind === 'start_http_listener')) {
    const listener = options as HttpListenerOptions;
    const identity = (): ReturnType<ListenerIdentities['find']> =>
      identities
        .find({
          hostname: listener.hostname ?? hostname,
          certificate: listener.tls_certificate,
          privateKey: listener.tls_private_key,
          clientCa: undefined,
        })
        .catch((error: Error) => {
          const { address, port } = listener.listen;
          throw new Error(`${where}: https listener on ${formatHostPort(address, port)}: ${error.message}`);
        });
    servers.push(await serveHttp(listener, { ...shared, ...(listener.use_tls && { identity }) }));
  }
  return {
    refresh: () => identities.refresh(),
    close: async () => {
      await Promise.all(servers.map((server) => server.close()));
      await audit?.flush();
    },
  };
}

/** The audit log, when policy wants one; its lines go beside those of the loggers. */
function auditLines({ declarations, send }: HttpListenerParts): AuditLines | undefined {
  const options = accountingLog(declarations);
  if (options === undefined) return undefined;
  return new AuditLines({ options, logger: declaredLoggers(declarations).length, clock: systemClock, send });
}

/** What the HTTP listeners of a shard answer with; most of it the coordinator knows. */
function httpParts(
  { coordinator, host, policy, refusal, injection, traces, hostname }: HttpListenerParts,
  audit: AuditLines | undefined,
): HttpParts {
  return {
    refusal,
    injection,
    hostname,
    access: {
      policy,
      clock: systemClock,
      diagnostics: host.diagnostics,
      epoch: () => host.configEpoch?.() ?? 0,
      control: accessControl(host),
      audit,
    },
    readMetrics: (request) => readMetrics(coordinator, request),
    policyStatus: () => coordinator.ask('policy-status', undefined),
    rebind: (request) => coordinator.ask('rebind', request),
    // A shard has it.
    admin: host.admin!,
    inspect: (kind, asked) => coordinator.ask(kind, asked),
    resolvePath: (domain, source) => resolvePath(policy, host, domain, source),
    openTrace: traces.opener(coordinator),
    bumpConfigEpoch: () => coordinator.ask('bump-epoch', 'bump-config-epoch'),
  };
}
