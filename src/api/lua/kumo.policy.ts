import { productVersion } from '../../io/files/index.ts';
import { defineFunction, defineModule } from '../../model/define/index.ts';

export const policyModule = defineModule(
  'kumo.policy',
  { doc: 'What Moonpost has and KumoMTA has not.' },
  {
    version: defineFunction({
      returns: 'string',
      doc: 'Version of Moonpost. `kumo.version` is that of the policy API.',
      call: () => productVersion(),
    }),
  },
);
