import { defineFunction, optionsArgument, type UnnamedFunction } from '../../model/define/index.ts';
import { spawnTaskOptions } from '../../model/options/index.ts';

export const taskFunctions = {
  spawn_task: defineFunction({
    params: { options: optionsArgument(spawnTaskOptions) },
    doc: 'Runs an event in the background, once. From init it runs on one shard when the server is up.',
    call: ({ options: { options } }, context) => {
      const { host, event } = context;
      if (host.validating) return;
      // Before the shards are there, the coordinator takes it down for them.
      if (event === 'init' || event === 'pre_init') {
        host.declare({ kind: 'spawn_task', options, where: context.where() });
        return;
      }
      // An error of the handler is logged by the engine; nobody waits for the result.
      host.clock.after(0, () => void context.fire(options.event_name, [options.args]));
    },
  }),
} satisfies Record<string, UnnamedFunction>;
