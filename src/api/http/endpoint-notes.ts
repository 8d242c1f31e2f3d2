import { type TSchema, Type } from 'typebox';
import type { OptionsDeclaration } from '../../model/define/index.ts';
import {
  adminBounceOptions,
  adminSuspendOptions,
  adminSuspendReadyQueueOptions,
} from '../../model/options/index.ts';

/** What the OpenAPI document says of an endpoint beside the schemas that its requests are checked with. */
export interface EndpointNotes {
  summary: string;
  /** Of a query that the endpoint reads itself. */
  query?: Readonly<Record<string, { schema: TSchema; required?: true }>>;
  /** Of a body that the endpoint reads itself; an extension of ours may stand beside the options. */
  body?: OptionsDeclaration<unknown> | TSchema;
  answer?: 'text' | 'nothing' | 'metrics' | TSchema;
}

const text = (description: string, required?: true) => ({
  schema: Type.String({ description }),
  ...(required === true && { required }),
});
const flag = (description: string) => ({ schema: Type.Boolean({ description }) });
const anything = Type.Object({});
const list = Type.Array(anything);
const empty = Type.Object({}, { additionalProperties: false });
const id = Type.Object({ id: Type.String({ description: 'Of the entry.' }) });
const entry = Type.Object(
  { id: Type.String({ description: 'Of the entry.' }), dry_run: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
);

/** The three endpoints of one kind of rules. */
function rules(
  path: string,
  what: string,
  options: OptionsDeclaration<unknown>,
): Record<string, EndpointNotes> {
  return {
    [`POST ${path}`]: { summary: `${what}: a new entry.`, body: options, answer: id },
    [`GET ${path}`]: { summary: `${what}: the entries that hold.`, answer: list },
    [`DELETE ${path}`]: { summary: `${what}: an entry ends.`, body: entry, answer: 'text' },
  };
}

/** By method and path. */
export const endpointNotes: Readonly<Record<string, EndpointNotes>> = {
  'GET /api/check-liveness/v1': {
    summary: 'Whether mail is taken: 200 `OK`, or 503 with the reason.',
    answer: 'text',
  },
  'GET /metrics': { summary: 'The metrics as Prometheus reads them.', answer: 'metrics' },
  'GET /metrics.json': { summary: 'The metrics as JSON.', answer: anything },
  'GET /rapidoc': { summary: 'This document for people, as HTML.', answer: 'text' },
  'GET /api-docs/openapi.json': { summary: 'This document.', answer: anything },
  'GET /api/admin/policy-status/v1': { summary: 'Which generation of the policy serves, and what failed.' },
  'POST /api/admin/bump-config-epoch': {
    summary: 'The policy is read again although no file changed.',
    answer: 'nothing',
  },
  'POST /api/admin/rebind/v1': { summary: 'Queued messages go to other queues.', answer: empty },
  'POST /api/admin/xfer/v1': { summary: 'Queued messages go to another node.', answer: empty },
  'POST /api/admin/xfer/cancel/v1': {
    summary: 'Messages that wait for another node come back into their queues.',
    answer: empty,
  },
  'POST /api/xfer/inject/v1': { summary: 'Takes a message of another node.' },
  ...rules('/api/admin/bounce/v1', 'Messages of scheduled queues bounce', adminBounceOptions),
  ...rules('/api/admin/suspend/v1', 'Scheduled queues wait', adminSuspendOptions),
  ...rules('/api/admin/suspend-ready-q/v1', 'A ready queue takes no mail', adminSuspendReadyQueueOptions),
  'GET /api/admin/inspect-message/v1': {
    summary: 'A queued message.',
    query: { id: text('Of the message.', true), want_body: flag('With its data.') },
    answer: anything,
  },
  'GET /api/admin/inspect-sched-q/v1': {
    summary: 'A scheduled queue with its configuration and some of its messages.',
    query: {
      queue_name: text('Its name.', true),
      want_body: flag('With the data of messages.'),
      limit: { schema: Type.Integer({ minimum: 0, description: 'Most messages.' }) },
    },
    answer: anything,
  },
  'GET /api/admin/inspect-ready-q/v1': {
    summary: 'A ready queue with its connections and what limits it.',
    query: {
      queue_name: text('Its name.', true),
      include_scheduled_queues: flag('With the names of the scheduled queues that feed it.'),
    },
    answer: anything,
  },
  'GET /api/admin/ready-q-states/v1': {
    summary: 'What holds up ready queues.',
    query: { queues: { schema: Type.Array(Type.String(), { description: 'Only these.' }) } },
    answer: anything,
  },
  'GET /api/admin/resolve-egress-path/v1': {
    summary: 'How mail to a domain goes.',
    query: { domain: text('Of recipients.', true), source: text('Name of the egress source.') },
    answer: anything,
  },
  'GET /api/admin/explain/v1': {
    summary: 'What becomes of a message, of the mail of a queue, or of an invented message, and why.',
    query: {
      id: text('Of a queued message.'),
      queue: text('Name of a scheduled queue.'),
      from: text('Sender of an invented message.'),
      to: text('Its recipient.'),
      tenant: text('Its tenant.'),
      campaign: text('Its campaign.'),
      routing_domain: text('Its routing domain.'),
    },
    answer: anything,
  },
  'POST /api/admin/set_diagnostic_log_filter/v1': {
    summary: 'Which diagnostic lines are written from now on.',
    answer: 'nothing',
  },
  'POST /api/admin/spool-compact/v1': {
    summary: 'The spool gives back what space it can.',
    answer: 'nothing',
  },
  'POST /api/admin/abort-ready-q-conn/v1': {
    summary: 'A connection of a ready queue ends; its messages stay queued.',
    answer: 'text',
  },
  'GET /api/admin/memory/stats': { summary: 'What memory is used for.', answer: 'text' },
  'GET /api/admin/task-dump': { summary: 'What is being done.', answer: 'text' },
  'GET /api/machine-info': { summary: 'What machine this is.', answer: anything },
  'GET /api/admin/trace-smtp-server/v1': { summary: 'A websocket that shows the sessions of SMTP clients.' },
  'GET /api/admin/trace-smtp-client/v1': {
    summary: 'A websocket that shows the sessions with other servers.',
  },
  'POST /api/inject/v1': { summary: 'One message for each recipient, on disk before the answer.' },
};
