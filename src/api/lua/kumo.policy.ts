import { productVersion } from '../../io/files/index.ts';
import { defineFunction, defineModule, optionsArgument, string } from '../../model/define/index.ts';
import { DEVELOPMENT_RECIPIENT } from '../../model/index.ts';
import { budgetOptions, plainLogsOptions } from '../../model/options/index.ts';
import { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import { declarer } from './kumo-config.ts';
import { policyDataFunctions } from './policy-data.ts';

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
    set_development_recipient: defineFunction({
      params: { address: string() },
      doc:
        'For trying a policy without mailing the world: all mail goes to this address instead of its recipients, who ' +
        'are named in headers X-Moonpost-Original-Recipient. Redirected at reception, after ' +
        'smtp_server_message_received or smtp_server_message_deferred_inject and before the queue is named; a queue or ' +
        'routing_domain of the policy leads to the domain of this address. Messages of log hooks, and mail that is in ' +
        'the spool already, go where they were going. In `pre_init` or `init`; `--development-recipient` beats it.',
      call: ({ address }, context) => {
        const parsed = EnvelopeAddress.parse(address);
        if (parsed === undefined || parsed.domain === '') throw new Error(`'${address}' is no mail address`);
        if (context.event !== 'pre_init' && context.event !== 'init') {
          throw new Error('only in the event pre_init or init');
        }
        context.host.declare({ kind: DEVELOPMENT_RECIPIENT, options: parsed.email, where: context.where() });
      },
    }),
    configure_plain_logs: declarer(
      plainLogsOptions,
      'Writes delivery log records as text, one line each, to standard output or to a file that is not compressed; beside ' +
        'kumo.configure_local_logs or without it. Lines of standard output that nobody takes are dropped and counted: mail ' +
        'does not wait for them. In the event `init`.',
    ),
    ...policyDataFunctions,
  },
);
