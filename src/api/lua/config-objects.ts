import { luaNull } from '../../lua/index.ts';
import { type BoundClass, defineObject, type ObjectDeclaration } from '../../model/define/index.ts';
import {
  EgressPath,
  EgressPool,
  EgressSource,
  ListenerDomain,
  QueueConfig,
} from '../../model/options/index.ts';

/** A config object: options that policy can read; what is unset reads as NULL (policy-api.md 1.2). */
function configObject<T extends { entries(): Record<string, unknown> }>(
  name: string,
  type: BoundClass<T>,
  maker: string,
): ObjectDeclaration {
  return defineObject(name, type, {
    doc: `What kumo.${maker} gives. Its options can be read by name and walked with pairs.`,
    entries: (self) => {
      const entries = Object.entries(self.entries());
      return Object.fromEntries(entries.map(([option, value]) => [option, value === null ? luaNull : value]));
    },
  });
}

export const configObjects: readonly ObjectDeclaration[] = [
  configObject('queue_config', QueueConfig, 'make_queue_config'),
  configObject('egress_path', EgressPath, 'make_egress_path'),
  configObject('egress_pool', EgressPool, 'make_egress_pool'),
  configObject('egress_source', EgressSource, 'make_egress_source'),
  configObject('listener_domain', ListenerDomain, 'make_listener_domain'),
];
