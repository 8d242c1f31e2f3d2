import { defineFunction, defineModule, keySource } from '../../model/define/index.ts';
import { loadKey } from './key-source.ts';

export const secretsModule = defineModule(
  'kumo.secrets',
  { doc: 'Secrets from files, HashiCorp Vault or events.' },
  {
    load: defineFunction({
      params: { source: keySource() },
      returns: 'string',
      doc: 'The bytes of a key source. Raises an error when they cannot be had.',
      call: ({ source }, context) => loadKey(source, context),
    }),
  },
);
