import type { NewRule } from '../admin-actions.ts';
import {
  boolean,
  defineOptions,
  duration,
  field,
  list,
  type OptionsOf,
  PolicyValueError,
  string,
} from '../define/index.ts';
import { rfc3339Time } from '../schedule.ts';

const shared = {
  reason: field(string(), { required: true, doc: 'Why, for the records and the lists.' }),
  duration: field(duration(), { default: '5 minutes', doc: 'How long it holds.' }),
  expires: field(rfc3339Time(), {
    doc: 'When it ends, as RFC 3339 text; takes the place of duration.',
  }),
};

const criteria = {
  campaign: field(string(), {
    doc: 'Queues of this campaign; any when not given, as with the other criteria.',
  }),
  tenant: field(string(), { doc: 'Queues of this tenant.' }),
  domain: field(string(), { doc: 'Queues of this domain.' }),
  routing_domain: field(string(), { doc: 'Queues of this routing domain.' }),
  queue_names: field(list(string()), {
    default: [],
    doc: 'Exactly these queues; takes the place of the criteria.',
  }),
};

export const adminSuspendOptions = defineOptions(
  'api.admin.suspend.suspend',
  {
    luaClass: 'kumo.AdminSuspend',
    doc: 'Scheduled queues that are to wait. Queues are those for which all the given criteria hold, and every queue when none is given.',
  },
  { ...criteria, ...shared },
);

export const adminBounceOptions = defineOptions(
  'api.admin.bounce.bounce',
  {
    luaClass: 'kumo.AdminBounce',
    doc: 'Scheduled queues whose messages bounce. Queues are those for which all the given criteria hold, and every queue when none is given.',
  },
  {
    ...criteria,
    suppress_logging: field(boolean(), { default: false, doc: 'No AdminBounce records.' }),
    ...shared,
  },
);

export const adminSuspendReadyQueueOptions = defineOptions(
  'api.admin.suspend_ready_q.suspend',
  { luaClass: 'kumo.AdminSuspendReadyQueue', doc: 'A ready queue that is to take no mail.' },
  {
    name: field(string(), { required: true, doc: 'Its name, as in `site` of the records.' }),
    ...shared,
  },
);

/** What any of the three asks for. */
export type AdminRuleOptions = Partial<OptionsOf<typeof adminBounceOptions>> &
  Pick<OptionsOf<typeof adminSuspendOptions>, 'reason' | 'duration' | 'expires'>;

/**
 * The rule that was asked for. Without `queue_names` it is for the queues of the criteria. Throws PolicyValueError when
 * it would be over already.
 */
export function newRule(options: AdminRuleOptions & { name?: string }, now: number): NewRule {
  const { campaign, tenant, domain, routing_domain, queue_names, name, expires, duration: lasts } = options;
  if (expires !== undefined && expires <= now) throw new PolicyValueError('expires: this time is over');
  if (expires === undefined && lasts < 1) throw new PolicyValueError('duration: must be longer than nothing');
  const names = name === undefined ? queue_names : [name];
  return {
    reason: options.reason,
    expires: expires ?? Math.min(now + lasts, END_OF_TIME),
    selector:
      names !== undefined && names.length > 0
        ? { queue_names: names }
        : { campaign, tenant, domain, routing_domain },
    suppressLogging: options.suppress_logging ?? false,
  };
}

/** The last moment that a Date can be, ms since the epoch. */
const END_OF_TIME = 8_640_000_000_000_000;
