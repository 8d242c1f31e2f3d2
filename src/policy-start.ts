import { luaModules, luaObjects } from './api/lua/index.ts';
import { systemClock } from './io/clock/index.ts';
import { createDiagnostics } from './io/diagnostics/index.ts';
import { ConfiguredResolvers } from './io/dns/index.ts';
import { helpersDirectory } from './io/files/index.ts';
import { type AttachedLimits, LocalCounters, LocalThrottles } from './io/limits/index.ts';
import { ConfiguredMtaSts } from './io/mta-sts/index.ts';
import { random } from './io/random/index.ts';
import { serveQueues } from './io/threads/index.ts';
import { createPolicyEngine, type PolicyEngine, type PoolLimits } from './lua/index.ts';
import { events } from './model/events/index.ts';
import type {
  AdminPort,
  Diagnostics,
  InitDeclaration,
  PolicyBudget,
  PolicyEvents,
  PolicyHost,
  PolicyResult,
} from './model/index.ts';
import { MessageQueues } from './model/kept/index.ts';

/** What the coordinator's policy is given of the process. */
export interface PolicySurroundings {
  readonly file: string;
  readonly diagnostics: Diagnostics;
  readonly limits: Pick<AttachedLimits, 'throttles' | 'counters'>;
  /** The rules of the administrators of the process; not for a policy that is only checked. */
  readonly admin?: AdminPort;
  /** Where what init declares goes, in order. */
  readonly declarations?: InitDeclaration[];
  /** The configuration epoch; without it there is none. */
  readonly epoch?: Pick<PolicyHost, 'configEpoch' | 'bumpEpoch' | 'monitoredFiles' | 'fileUsed'>;
}

export interface InitializedPolicy {
  /** What pre_init and init declared, in order. */
  declarations: InitDeclaration[];
  /** The coordinator's own state of the policy, for events that are not about a message. */
  engine: PolicyEngine;
  /** The same for a later generation, from files already read. Its init is not run. */
  another(
    texts: ReadonlyMap<string, Uint8Array>,
    declarations: readonly InitDeclaration[],
  ): Promise<PolicyEngine>;
  /** Ends what was started for the policy; its engines are closed by whoever has them. */
  close(): void;
}

/** The policy as it would serve, checked and found good. */
export interface CheckedPolicy {
  declarations: InitDeclaration[];
  /** What its files say, by path. */
  texts: ReadonlyMap<string, Uint8Array>;
  events: ReadonlySet<string>;
}

/**
 * Evaluates the policy and runs pre_init and init once, in the coordinator's own Lua state (policy-api.md 1.1).
 * Throws when any of them fails, with the operator's file and line.
 */
export async function initializePolicy(surroundings: PolicySurroundings): Promise<InitializedPolicy> {
  const declarations = surroundings.declarations ?? [];
  const queues = new MessageQueues(systemClock);
  const close = serveQueues(queues);
  const host = coordinatorHost(surroundings, declarations, {
    queues,
    declare: (declaration) => void declarations.push(declaration),
  });
  const engine = await makeEngine(surroundings.file, host);
  await run(engine, ['pre_init', 'init']);
  const another: InitializedPolicy['another'] = (texts, declared) =>
    makeEngine(surroundings.file, host, {
      texts,
      loadTime: CANDIDATE_TIME,
      limits: declaredLimits(declared),
      budget: declaredBudget(declared),
    });
  return { declarations, engine, another, close };
}

/** Most time that a policy which is to take over may take to load, and again for the events of the start, ms. */
export const CANDIDATE_TIME = 60_000;

/**
 * Loads what is on disk in the inert mode of `--validate`, up to the event `validate_config`. Throws as
 * initializePolicy does, and when the policy waits for longer than `time` ms, with the line where it does. What it
 * prints goes to standard output, or where `print` says.
 */
export async function checkPolicy(
  surroundings: PolicySurroundings,
  time = CANDIDATE_TIME,
  print: { print?: (text: string) => void } = {},
): Promise<CheckedPolicy> {
  const declarations: InitDeclaration[] = [];
  let hasFailed = false;
  const findings: string[] = [];
  const host = coordinatorHost(surroundings, declarations, {
    validating: true,
    queues: new MessageQueues(systemClock),
    declare: (declaration) => void declarations.push(declaration),
    validationFailed: (why) => {
      hasFailed = true;
      // A file that several checks look into is told of once.
      if (why !== undefined && !findings.includes(why)) findings.push(why);
    },
  });
  const engine = await makeEngine(surroundings.file, host, { loadTime: time, ...print });
  const why = `the event is still not over after ${time / 1000} s`;
  const timer = systemClock.after(time, () => engine.abandon(why));
  try {
    await run(engine, ['pre_init', 'init', 'validate_config']);
    if (hasFailed) {
      const found = findings.length === 0 ? '' : `:\n${findings.join('\n')}`;
      throw new Error(`Initialization raised an error: Validation failed${found}`);
    }
    return { declarations, texts: new Map(engine.texts), events: engine.handledEvents };
  } finally {
    timer.cancel();
    engine.close();
  }
}

/** What the policy reaches outside a shard; `own` beats the rest. */
export function coordinatorHost(
  surroundings: PolicySurroundings,
  declarations: readonly InitDeclaration[],
  own: Partial<PolicyHost>,
): PolicyHost {
  const resolvers = new ConfiguredResolvers(systemClock, () => declarations);
  const { diagnostics, limits, epoch, admin } = surroundings;
  return {
    clock: systemClock,
    diagnostics,
    throttles: limits.throttles,
    counters: limits.counters,
    resolver: resolvers.main,
    resolverNamed: resolvers.named,
    mtaSts: new ConfiguredMtaSts(
      { resolver: resolvers.main, clock: systemClock, diagnostics },
      () => declarations,
    ),
    declared: (kind) => declarations.findLast((entry) => entry.kind === kind)?.options,
    random,
    validating: false,
    declare: () => {},
    newMessageId: () => {
      throw new Error('messages cannot be made while the policy starts');
    },
    inject: () => Promise.reject(new Error('messages cannot be injected while the policy starts')),
    once: (key) => limits.counters.add(`said ${key}`, 1) === 1,
    validationFailed: () => {},
    ...epoch,
    ...(admin !== undefined && own.validating !== true && { admin }),
    ...own,
  };
}

/** An engine over a policy file with the whole API. */
export async function makeEngine(
  file: string,
  host: PolicyHost,
  more: {
    texts?: ReadonlyMap<string, Uint8Array>;
    limits?: Partial<PoolLimits>;
    budget?: PolicyBudget | undefined;
    loadTime?: number;
    script?: boolean;
    print?: (text: string) => void;
  } = {},
): Promise<PolicyEngine> {
  const parts = { modules: luaModules, objects: luaObjects, events, helpersDir: helpersDirectory() };
  return (await createPolicyEngine({ ...parts, ...more, file, host, validating: host.validating })).engine;
}

/** What the policy says of the Lua states that serve it. */
export function declaredLimits(declarations: readonly InitDeclaration[]): Partial<PoolLimits> {
  const last = (kind: string): number | undefined =>
    declarations.findLast((entry) => entry.kind === kind)?.options as number | undefined;
  const maxAge = last('set_max_lua_context_age');
  const maxUses = last('set_max_lua_context_use_count');
  const maxSpare = last('set_max_spare_lua_contexts');
  return {
    ...(maxAge !== undefined && { maxAge }),
    ...(maxUses !== undefined && { maxUses }),
    ...(maxSpare !== undefined && { maxSpare }),
  };
}

/** What the policy says of what its handlers may use; undefined for the defaults. */
export function declaredBudget(declarations: readonly InitDeclaration[]): PolicyBudget | undefined {
  return declarations.findLast(({ kind }) => kind === 'set_budget')?.options as PolicyBudget | undefined;
}

async function run(policy: PolicyEvents, events: readonly string[]): Promise<void> {
  for (const event of events) requireSuccess(await policy.fire(event, []));
}

function requireSuccess(result: PolicyResult): void {
  if (result.kind === 'error') throw new Error(`Initialization raised an error: ${result.message}`);
  if (result.kind === 'reject') {
    throw new Error(`Initialization raised an error: ${result.code} ${result.text}`);
  }
}

/** `--validate`: success prints nothing and gives 0; anything else is printed and gives 1 (operations.md 1.5). */
export async function validatePolicy(file: string): Promise<number> {
  try {
    const diagnostics = createDiagnostics(process.env.KUMOD_LOG ?? 'error');
    const limits = { throttles: new LocalThrottles(systemClock), counters: new LocalCounters() };
    await checkPolicy({ file, diagnostics, limits });
    return 0;
  } catch (error) {
    process.stderr.write(`Error: ${(error as Error).message}\n`);
    return 1;
  }
}
