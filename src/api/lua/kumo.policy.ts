import { productVersion } from '../../io/files/index.ts';
import { defineFunction, defineModule, optionsArgument } from '../../model/define/index.ts';
import { budgetOptions } from '../../model/options/index.ts';

export const policyModule = defineModule(
  'kumo.policy',
  { doc: 'What Moonpost has and KumoMTA has not.' },
  {
    version: defineFunction({
      returns: 'string',
      doc: 'Version of Moonpost. `kumo.version` is that of the policy API.',
      call: () => productVersion(),
    }),
    set_budget: defineFunction({
      params: { options: optionsArgument(budgetOptions) },
      doc:
        'Sets what handlers may use: at the top of the policy, or in `pre_init` or `init`. What is not named gets its ' +
        'default. The handlers of one policy share the numbers; each call of a handler begins anew.',
      call: ({ options: { options } }, context) => {
        if (context.setBudget(options)) return;
        if (context.event !== 'pre_init' && context.event !== 'init') {
          throw new Error('only while the policy is loaded, or in the event pre_init or init');
        }
        context.host.declare({ kind: 'set_budget', options, where: context.where() });
      },
    }),
  },
);
