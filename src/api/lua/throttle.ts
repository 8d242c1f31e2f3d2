import { luaNull } from '../../lua/index.ts';
import { defineObject, instanceOf, methodsOf } from '../../model/define/index.ts';
import { formatThrottleSpec, Message, type ThrottleSpec, type ThrottleVerdict } from '../../model/index.ts';
import { sleep } from './kumo.time.ts';

/** What kumo.make_throttle gives: a key of the process-wide budgets and its spec. */
export class NamedThrottle {
  readonly key: string;
  readonly spec: ThrottleSpec;

  constructor(key: string, spec: ThrottleSpec) {
    this.key = key;
    this.spec = spec;
  }
}

const method = methodsOf<NamedThrottle>();

export const throttleObject = defineObject(
  'throttle',
  NamedThrottle,
  { doc: 'A budget of requests by name.', text: ({ spec }) => formatThrottleSpec(spec) },
  {
    throttle: method({
      returns:
        '{throttled: boolean, limit: integer, remaining: integer, reset_after: {secs: integer, nanos: integer}, ' +
        'retry_after: {secs: integer, nanos: integer}}',
      doc: 'Takes one request from the budget when it is there. retry_after is NULL, which is truthy, when it was.',
      call: async (self, _, { host }) => verdictForLua(await host.throttles.admit(self.key, self.spec)),
    }),
    delay_message_if_throttled: method({
      params: { message: instanceOf(Message, 'message') },
      returns: 'boolean',
      doc: 'Takes one request, or else makes the message due when there will be one. True when it was delayed.',
      call: async (self, { message }, { host }) => {
        const { retryAfter } = await host.throttles.admit(self.key, self.spec);
        if (retryAfter === undefined) return false;
        const now = host.clock.now();
        message.setDue(now + retryAfter, now);
        return true;
      },
    }),
    sleep_if_throttled: method({
      returns: 'boolean',
      doc: 'Takes one request, waiting until there is one. True when it waited.',
      call: async (self, _, { host }) => {
        for (let waited = false; ; waited = true) {
          const { retryAfter } = await host.throttles.admit(self.key, self.spec);
          if (retryAfter === undefined) return waited;
          await sleep(host, retryAfter / 1000);
        }
      },
    }),
    explain: method({
      returns: 'string',
      doc: 'The key of the budget and its spec, for people.',
      call: ({ key, spec }) => `${key}: ${formatThrottleSpec(spec)}`,
    }),
  },
);

/** Durations as {secs, nanos}, retry_after in whole seconds (policy-api.md 4.7, design section 6). */
function verdictForLua(verdict: ThrottleVerdict): Record<string, unknown> {
  const { throttled, limit, remaining, resetAfter, retryAfter } = verdict;
  return {
    throttled,
    limit,
    remaining,
    reset_after: duration(resetAfter),
    retry_after: retryAfter === undefined ? luaNull : { secs: Math.ceil(retryAfter / 1000), nanos: 0 },
  };
}

function duration(milliseconds: number): { secs: number; nanos: number } {
  const secs = Math.floor(milliseconds / 1000);
  return { secs, nanos: Math.round((milliseconds - secs * 1000) * 1e6) };
}
