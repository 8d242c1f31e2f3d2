import { checkDmarc } from '../../io/mail-auth/index.ts';
import {
  anyValue,
  boolean,
  defineFunction,
  defineModule,
  instanceOf,
  list,
  optional,
  string,
} from '../../model/define/index.ts';
import { Message } from '../../model/index.ts';
import { authenticationResult } from './authentication-result.ts';
import { warnWithoutEffect } from './later.ts';
import { resolverFor } from './named-resolver.ts';

export const dmarcModule = defineModule(
  'kumo.dmarc',
  { doc: 'DMARC (RFC 7489): what the domain in From wants done with mail that is not of its own.' },
  {
    check_msg: defineFunction({
      params: {
        msg: instanceOf(Message, 'message'),
        dkim_results: list(authenticationResult()),
        resolver: optional(string()),
        spf_result: authenticationResult(),
        use_reporting: optional(boolean(), false),
        reporting: optional(anyValue()),
      },
      returns: '{disposition: string, result: table}',
      doc: 'Checks a message by what msg:dkim_verify and kumo.spf.check_msg found. disposition is Pass, None, Quarantine, Reject, TempError or PermError; of a message that fails, the result has the policy as policy.published-domain-policy. resolver: a name of kumo.dns.define_resolver. use_reporting and reporting have no effect yet.',
      call: async ({ msg, dkim_results, resolver, spf_result, use_reporting }, context) => {
        if (use_reporting) warnWithoutEffect(context, 'use_reporting of kumo.dmarc.check_msg');
        const asked = resolverFor(resolver, context);
        const message = await msg.data();
        return checkDmarc({ message, dkim: dkim_results, spf: spf_result }, asked, context.host.clock);
      },
    }),
  },
);
