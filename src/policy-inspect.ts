import { systemClock } from './io/clock/index.ts';
import { createDiagnostics } from './io/diagnostics/index.ts';
import { LocalCounters, LocalThrottles } from './io/limits/index.ts';
import type { PolicyEngine } from './lua/index.ts';
import {
  type ExplainedSetting,
  explainedSettings,
  type InitDeclaration,
  type MxResolution,
  type PolicyHost,
  type QueueNameParts,
  resolveMx,
} from './model/index.ts';
import { MessageQueues } from './model/kept/index.ts';
import {
  defaultEgressPathOptions,
  defaultQueueOptions,
  EgressPath,
  type EgressPathOptions,
  QueueConfig,
  type QueueOptions,
} from './model/options/index.ts';
import { coordinatorHost, makeEngine } from './policy-start.ts';

/**
 * A policy that is asked what it would do, beside whatever server runs it. Of its start only pre_init has been run, for
 * what it says of DNS; nothing that it declares is begun.
 */
export class InspectedPolicy {
  readonly #engine: Pick<PolicyEngine, 'fire' | 'close'>;
  readonly #host: PolicyHost;

  constructor(engine: Pick<PolicyEngine, 'fire' | 'close'>, host: PolicyHost) {
    this.#engine = engine;
    this.#host = host;
  }

  /** Throws with the operator's file and line when the policy does not load. `warn` gets what pre_init fails with. */
  static async open(file: string, warn: (text: string) => void): Promise<InspectedPolicy> {
    const declarations: InitDeclaration[] = [];
    // Twice: what helpers look up while they are loaded is to be looked up in the DNS that pre_init names.
    const first = await loadScript(file, declarations, true);
    const started = await first.engine.fire('pre_init', []);
    first.engine.close();
    if (started.kind === 'error') warn(`pre_init: ${started.message}`);
    const { engine, host } = await loadScript(file, declarations, false);
    return new InspectedPolicy(engine, host);
  }

  /** Where the domain takes mail now. Rejects when DNS does not say. */
  site(domain: string): Promise<MxResolution> {
    return resolveMx(domain, this.#host.resolver, this.#host.mtaSts);
  }

  /** What get_queue_config says of a queue; the defaults where nobody does. */
  async queueConfig(parts: QueueNameParts): Promise<QueueOptions> {
    const answer = await this.#ask('get_queue_config', queueArguments(parts));
    if (answer === undefined) return defaultQueueOptions();
    if (answer instanceof QueueConfig) return answer.options;
    throw new Error('get_queue_config did not return a configuration');
  }

  /** What get_egress_path_config says of a path; the defaults where nobody does. */
  async pathConfig(domain: string, source: string, site: string): Promise<EgressPathOptions> {
    const answer = await this.#ask('get_egress_path_config', [domain, source, site]);
    if (answer === undefined) return defaultEgressPathOptions();
    if (answer instanceof EgressPath) return answer.options;
    throw new Error('get_egress_path_config did not return a configuration');
  }

  /** What the helpers say of where options come from; nothing where they are not used. */
  async explainQueue(parts: QueueNameParts): Promise<ExplainedSetting[]> {
    return explainedSettings(await this.#ask('explain_queue_config', queueArguments(parts)));
  }

  async explainPath(domain: string, source: string, site: string): Promise<ExplainedSetting[]> {
    return explainedSettings(await this.#ask('explain_egress_path_config', [domain, source, site]));
  }

  close(): void {
    this.#engine.close();
  }

  async #ask(event: string, args: readonly unknown[]): Promise<unknown> {
    const result = await this.#engine.fire(event, args);
    if (result.kind === 'error') throw new Error(result.message);
    if (result.kind === 'reject') throw new Error(`${event}: ${result.code} ${result.text}`);
    return result.kind === 'absent' ? undefined : result.values[0];
  }
}

async function loadScript(
  file: string,
  declarations: InitDeclaration[],
  validating: boolean,
): Promise<{ engine: PolicyEngine; host: PolicyHost }> {
  const diagnostics = createDiagnostics(process.env.KUMOD_LOG ?? 'error');
  const limits = { throttles: new LocalThrottles(systemClock), counters: new LocalCounters() };
  const host = coordinatorHost({ file, diagnostics, limits }, declarations, {
    validating,
    queues: new MessageQueues(systemClock),
    declare: (declaration) => void declarations.push(declaration),
  });
  return { engine: await makeEngine(file, host, { script: true }), host };
}

function queueArguments({ domain, tenant, campaign, routingDomain }: QueueNameParts): unknown[] {
  return [domain, tenant, campaign, routingDomain];
}
