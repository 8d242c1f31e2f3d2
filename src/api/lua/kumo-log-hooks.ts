import {
  defineFunction,
  type OptionsDeclaration,
  optionsArgument,
  PolicyValueError,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import type { PolicyHost } from '../../model/index.ts';
import { logDispositionHookOptions, logHookOptions } from '../../model/options/index.ts';
import { warnLater } from './later.ts';

/** Where each hook was configured, by kind and name. One start of a policy has one host. */
const configured = new WeakMap<PolicyHost, Map<string, string>>();

function hookDeclarer<T extends { name: string }>(
  declaration: OptionsDeclaration<T>,
  what: string,
  doc: string,
): UnnamedFunction {
  return defineFunction({
    params: { options: optionsArgument(declaration) },
    doc,
    call: ({ options: given }, context) => {
      const { host } = context;
      const kind = declaration.owner;
      const key = `${kind} ${given.options.name}`;
      const places = configured.get(host) ?? new Map<string, string>();
      const first = places.get(key);
      if (first !== undefined) {
        const text = `${what} with name '${given.options.name}' has already been configured at ${first}`;
        throw new PolicyValueError(text);
      }
      warnLater(context, kind, given.later);
      configured.set(host, places.set(key, context.where()));
      host.declare({ kind, options: given.options, where: context.where() });
    },
  });
}

export const logHookFunctions = {
  configure_log_hook: hookDeclarer(
    logHookOptions,
    'log_hook',
    'Makes a message of each log record and, where the event should_enqueue_log_record says so, puts it into a queue. In the event `init` or `pre_init`; a changed policy changes its hooks without a restart.',
  ),
  configure_log_disposition_hook: hookDeclarer(
    logDispositionHookOptions,
    'log_disposition_hook',
    'Fires the event `log_disposition_NAME` for each log record, while it is logged. In the event `init` or `pre_init`; a changed policy changes its hooks without a restart.',
  ),
} satisfies Record<string, UnnamedFunction>;
