import { checkSignatures } from '../../io/mail-auth/index.ts';
import { type CallContext, instanceOf, list, methodsOf, optional, string } from '../../model/define/index.ts';
import type { Message } from '../../model/index.ts';
import { type ArcSeal, arcSet, MOST_ARC_SETS } from '../../protocol/arc/index.ts';
import { DkimSigner } from '../../protocol/dkim/index.ts';
import type { AuthenticationResult } from '../../protocol/mime/index.ts';
import { authenticationResult } from './authentication-result.ts';
import { aside, inTurns, prepend, sentFormOf } from './message-signing.ts';
import { resolverFor } from './named-resolver.ts';

const method = methodsOf<Message>();

const resolver = optional(string());

/** Adds the next ARC set, or nothing when the chain that is there is broken or full (RFC 8617 §5.1). */
async function seal(
  message: Message,
  { signer, serverId, results }: Omit<ArcSeal, 'sets'>,
  resolverName: string | undefined,
  context: CallContext,
): Promise<void> {
  const { host } = context;
  const data = await message.data();
  const { arc, arcSets } = await checkSignatures(data, resolverFor(resolverName, context), host.clock);
  if (arc.result === 'fail' || arcSets === MOST_ARC_SETS) return;
  const form = sentFormOf(data);
  const { bodyCanonicalization } = signer.options;
  if (form.takesLong(bodyCanonicalization)) await inTurns(form.hashing(bodyCanonicalization), host.clock);
  const parts = { signer, serverId, results, sets: arcSets };
  await prepend(message, data, form, await arcSet(form, parts, host.clock.now(), aside(host)));
}

async function signaturesOf(
  message: Message,
  name: string | undefined,
  context: CallContext,
): ReturnType<typeof checkSignatures> {
  const asked = resolverFor(name, context);
  return checkSignatures(await message.data(), asked, context.host.clock);
}

export const authenticationMethods = {
  dkim_verify: method({
    params: { resolver },
    returns: 'table[]',
    doc: 'Checks the DKIM signatures, at most 10: a result for each (RFC 8601), none for a message that is not signed. A message with a bare CR or LF has one permerror. resolver: a name of kumo.dns.define_resolver.',
    call: async (self, { resolver }, context): Promise<AuthenticationResult[]> => [
      ...(await signaturesOf(self, resolver, context)).dkim,
    ],
  }),
  arc_verify: method({
    params: { resolver },
    returns: 'table',
    doc: 'Checks the ARC chain (RFC 8617): a result none, pass or fail. resolver: a name of kumo.dns.define_resolver.',
    call: async (self, { resolver }, context): Promise<AuthenticationResult> =>
      (await signaturesOf(self, resolver, context)).arc,
  }),
  arc_seal: method({
    params: {
      signer: instanceOf(DkimSigner, 'dkim_signer'),
      server_id: string(),
      results: list(authenticationResult()),
      resolver,
    },
    doc: 'Adds the next set of ARC headers (RFC 8617) before all others, with a signer of kumo.dkim and the results of your checks. Does nothing when the chain that is there does not pass. Seal last, as what changes the message later breaks the chain. Raises when there is no From header.',
    call: (self, { signer, server_id, results, resolver }, context) =>
      seal(self, { signer, serverId: server_id, results }, resolver, context),
  }),
};
