import { luaModules, luaObjects } from './api/lua/index.ts';
import { helpersDirectory } from './io/files/index.ts';
import { createPolicyEngine, type PolicyEngine } from './lua/index.ts';
import { events } from './model/events/index.ts';
import type { InitDeclaration, PolicyHost } from './model/index.ts';
import { prepareTemplates } from './model/texts/index.ts';
import { declaredBudget, declaredLimits } from './policy-start.ts';

/** What one generation of the policy is: what its files say, and what its init declares. */
export interface PolicySource {
  texts: ReadonlyMap<string, Uint8Array>;
  declarations: readonly InitDeclaration[];
}

/** Loads a generation of the policy `file` in a shard. `loadTime`, in ms, is what its top level may take. */
export async function loadShardPolicy(
  { file, host }: { file: string; host: PolicyHost },
  { texts, declarations }: PolicySource,
  within: { loadTime?: number } = {},
): Promise<PolicyEngine> {
  const parts = { modules: luaModules, objects: luaObjects, events, helpersDir: helpersDirectory() };
  const declared = { limits: declaredLimits(declarations), budget: declaredBudget(declarations) };
  prepareTemplates(texts.values());
  return (await createPolicyEngine({ ...parts, ...declared, ...within, file, texts, host })).engine;
}
