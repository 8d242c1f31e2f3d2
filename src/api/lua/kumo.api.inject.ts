import { anyValue, type CallContext, defineFunction, defineModule } from '../../model/define/index.ts';
import type { InjectionPort, Json, JsonObject } from '../../model/index.ts';

const LISTS: readonly string[] = ['recipients', 'attachments', 'include_meta_names'];

/** An empty table of Lua may be a list. What else is wrong is found where the HTTP API is told too. */
function asDeclared(request: Json): Json {
  if (!isTable(request)) return request;
  const { content, trace_headers: trace } = request;
  return {
    ...withLists(request),
    ...(isTable(content) && { content: withLists(content) }),
    ...(isTable(trace) && { trace_headers: withLists(trace) }),
  };
}

function withLists(table: JsonObject): JsonObject {
  const isEmpty = (value: Json): boolean => isTable(value) && Object.keys(value).length === 0;
  return Object.fromEntries(
    Object.entries(table).map(([name, value]) => [name, LISTS.includes(name) && isEmpty(value) ? [] : value]),
  );
}

function isTable(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function portOf({ host }: CallContext): InjectionPort {
  if (host.injection === undefined) throw new Error('no mail is taken here');
  return host.injection;
}

export const injectModule = defineModule(
  'kumo.api.inject',
  { doc: 'Injection as POST /api/inject/v1 does it, by policy. No rate limits it.' },
  {
    inject_v1: defineFunction({
      params: { request: anyValue() },
      returns: 'table',
      doc:
        'Makes a message for each recipient and queues it. Gives {success_count, fail_count, failed_recipients, errors}. ' +
        'Raises when the request is unfit as a whole, and while no mail is taken.',
      call: async ({ request }, context) => ({ ...(await portOf(context).inject(asDeclared(request))) }),
    }),
    build_v1: defineFunction({
      params: { request: anyValue() },
      returns: 'message[]',
      doc: 'The messages of the request, without queueing them. Raises when one of them cannot be made.',
      call: ({ request }, context) => portOf(context).build(asDeclared(request)),
    }),
  },
);
