import { luaModules, luaObjects } from './api/lua/index.ts';
import { systemClock } from './io/clock/index.ts';
import { createDiagnostics } from './io/diagnostics/index.ts';
import { configureResolver } from './io/dns/index.ts';
import { helpersDirectory } from './io/files/index.ts';
import { type AttachedLimits, LocalCounters, LocalThrottles } from './io/limits/index.ts';
import { random } from './io/random/index.ts';
import { serveQueues } from './io/threads/index.ts';
import { createPolicyEngine, type PolicyEngine } from './lua/index.ts';
import { events } from './model/events/index.ts';
import type { Diagnostics, InitDeclaration, PolicyHost, PolicyResult } from './model/index.ts';
import { MessageQueues } from './model/kept/index.ts';

export interface InitializedPolicy {
  /** What pre_init and init declared, in order. */
  declarations: InitDeclaration[];
  /** The coordinator's own state of the policy, for events that are not about a message. */
  engine: PolicyEngine;
  close(): Promise<void>;
}

/**
 * Evaluates the policy and runs pre_init and init once, in the coordinator's own Lua state (policy-api.md 1.1).
 * Throws when any of them fails, with the operator's file and line.
 */
export async function initializePolicy(
  file: string,
  diagnostics: Diagnostics,
  limits: Pick<AttachedLimits, 'throttles' | 'counters'>,
  validating = false,
): Promise<InitializedPolicy> {
  const declarations: InitDeclaration[] = [];
  let failedValidation = false;
  const queues = new MessageQueues(systemClock);
  const stopServing = validating ? undefined : serveQueues(queues);
  const host: PolicyHost = {
    clock: systemClock,
    diagnostics,
    throttles: limits.throttles,
    counters: limits.counters,
    queues,
    resolver: configureResolver(systemClock),
    random,
    validating,
    declare: (declaration) => {
      declarations.push(declaration);
    },
    newMessageId: () => {
      throw new Error('messages cannot be made while the policy starts');
    },
    inject: () => Promise.reject(new Error('messages cannot be injected while the policy starts')),
    once: (key) => limits.counters.add(`said ${key}`, 1) === 1,
    validationFailed: () => {
      failedValidation = true;
    },
  };
  const { engine } = await createPolicyEngine({
    file,
    modules: luaModules,
    objects: luaObjects,
    events,
    host,
    validating,
    helpersDir: helpersDirectory(),
  });
  for (const event of ['pre_init', 'init', ...(validating ? ['validate_config'] : [])]) {
    requireSuccess(await engine.fire(event, []));
  }
  if (failedValidation) throw new Error('Initialization raised an error: Validation failed');
  const close = async () => {
    stopServing?.();
    engine.close();
  };
  return { declarations, engine, close };
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
    const initialized = await initializePolicy(file, diagnostics, limits, true);
    await initialized.close();
    return 0;
  } catch (error) {
    process.stderr.write(`Error: ${(error as Error).message}\n`);
    return 1;
  }
}
