import { defineFunction, list, string, type UnnamedFunction } from '../../model/define/index.ts';

export const epochFunctions = {
  bump_config_epoch: defineFunction({
    doc:
      'Begins the next configuration epoch although no file changed: the policy is read again and, when it is ' +
      'found good, serves as the next generation.',
    call: (_, { host }) => host.bumpEpoch?.(),
  }),
  set_config_monitor_globs: defineFunction({
    params: { globs: list(string()) },
    doc:
      'Files whose change begins the next configuration epoch, besides those that the policy has read. Replaces ' +
      'the default, which is every .lua, .json, .toml and .yaml file below the folder of the policy. In the event ' +
      '`pre_init` or `init`.',
    call: ({ globs }, { host, where }) =>
      host.declare({ kind: 'set_config_monitor_globs', options: globs, where: where() }),
  }),
  eval_config_monitor_globs: defineFunction({
    returns: 'string[]',
    doc: 'Paths of the files that are monitored now.',
    call: (_, { host }) => host.monitoredFiles?.() ?? [],
  }),
} satisfies Record<string, UnnamedFunction>;
