import { randomUUID } from 'node:crypto';
import {
  type CallContext,
  defineFunction,
  defineModule,
  optionsArgument,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { type AdminKind, AdminLedger, type AdminPort, describeRule } from '../../model/index.ts';
import {
  type AdminRuleOptions,
  adminBounceOptions,
  adminSuspendOptions,
  adminSuspendReadyQueueOptions,
  newRule,
} from '../../model/options/index.ts';
import { sharedBy } from './kept.ts';

/** Rules take effect where there are queues; a policy that is only checked has some of its own. */
const portOf = sharedBy(
  (host): AdminPort => host.admin ?? new AdminLedger({ clock: host.clock, newId: randomUUID }),
);

async function put(kind: AdminKind, options: AdminRuleOptions, { host }: CallContext): Promise<string> {
  const result = await portOf(host).put(kind, newRule(options, host.clock.now()), false);
  if ('id' in result) return result.id;
  throw new Error(result.problem);
}

/** What all three kinds have. */
function listing(kind: AdminKind): Record<'list' | 'delete', UnnamedFunction> {
  return {
    list: defineFunction({
      returns: 'table[]',
      doc: 'The entries that hold now, as the HTTP API gives them, of the whole process.',
      call: async (_, { host }) =>
        (await portOf(host).list(kind)).map((listed) => describeRule(kind, listed, host.clock.now())),
    }),
    delete: defineFunction({
      params: { id: string() },
      returns: 'boolean',
      doc: 'Ends an entry before its time. Whether there was one with this id.',
      call: ({ id }, { host }) => portOf(host).delete(kind, id),
    }),
  };
}

export const apiModule = defineModule('kumo.api', { doc: 'What the HTTP API does, for policy.' }, {});

export const adminModule = defineModule('kumo.api.admin', { doc: 'What administrators do to queues.' }, {});

export const adminSuspendModule = defineModule(
  'kumo.api.admin.suspend',
  { doc: 'Scheduled queues that wait because an administrator wants it. In memory only.' },
  {
    suspend: defineFunction({
      params: { options: optionsArgument(adminSuspendOptions) },
      returns: 'string',
      doc:
        'Delivers nothing of these queues for a while: each attempt fails for the time being, and counts. Gives the ' +
        'id of the entry, which replaces the one with the same criteria.',
      call: ({ options: { options } }, context) => put('suspend', options, context),
    }),
    ...listing('suspend'),
  },
);

export const adminBounceModule = defineModule(
  'kumo.api.admin.bounce',
  { doc: 'Scheduled queues whose messages bounce because an administrator wants it. In memory only.' },
  {
    bounce: defineFunction({
      params: { options: optionsArgument(adminBounceOptions) },
      returns: 'string',
      doc:
        'Bounces what enters these queues for a while, and what waits in them when it is next due; the HTTP API ' +
        'bounces what waits at once. Gives the id of the entry, which replaces the one with the same criteria.',
      call: ({ options: { options } }, context) => put('bounce', options, context),
    }),
    ...listing('bounce'),
  },
);

export const adminSuspendReadyQueueModule = defineModule(
  'kumo.api.admin.suspend_ready_q',
  { doc: 'Ready queues that take no mail because an administrator wants it. In memory only.' },
  {
    suspend: defineFunction({
      params: { options: optionsArgument(adminSuspendReadyQueueOptions) },
      returns: 'string',
      doc:
        'Has the mail of this ready queue go by another source for a while. Gives the id of the entry, which ' +
        'replaces the one of the same name.',
      call: ({ options: { options } }, context) => put('suspend-ready-q', options, context),
    }),
    ...listing('suspend-ready-q'),
  },
);
