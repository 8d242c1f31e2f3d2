import { defineEvent } from '../define/index.ts';

const queueParts = {
  domain: 'string',
  tenant: 'string|nil',
  campaign: 'string|nil',
  routing_domain: 'string|nil',
};
const waits =
  'The attempt counts, TransientFailure is logged, and the message waits for its next one. The failure is remembered for a minute.';

export const deliveryEvents = [
  defineEvent({
    name: 'spool_message_enumerated',
    args: { message: 'message' },
    when: 'At start, for a message that was in the spool.',
    often: 'Once per message and start.',
    persisted: 'Everything it sets is kept with the message.',
    failure: 'Is logged; the message is scheduled as it is.',
    doc: 'A chance to change what waited during the downtime.',
  }),
  defineEvent({
    name: 'get_queue_config',
    multiple: true,
    args: queueParts,
    returns: 'queue_config',
    when: 'A scheduled queue is made, and when its configuration is refreshed.',
    often: 'Once per queue and refresh_interval.',
    persisted: 'Nothing; the answer is used until the refresh.',
    failure:
      'During reception: `421 4.3.0 HOST technical difficulties`, nothing is kept. Later: the message waits and is tried again. The failure is remembered for a minute; a refresh that fails keeps the configuration.',
    doc: 'Returns kumo.make_queue_config{...}. A handler that falls off its end passes on to the next; `return nil` is an error. Without any answer the defaults hold.',
  }),
  defineEvent({
    name: 'throttle_insert_ready_queue',
    multiple: true,
    args: { message: 'message' },
    when: 'A message is about to enter its ready queue.',
    often: 'Per message and attempt.',
    persisted:
      'Everything it sets is kept with the message. A due time in the future puts the message back until then, without counting an attempt.',
    failure:
      'During reception the message is taken back: Bounce is logged, the client gets `421 4.3.0 HOST technical difficulties` unless other messages of the transaction are kept. Later the message is put back with backoff. kumo.reject counts as any other error.',
    doc: 'The place for throttles of your own: throttle:delay_message_if_throttled(message).',
  }),
  defineEvent({
    name: 'get_egress_pool',
    args: { name: 'string' },
    returns: 'egress_pool',
    when: 'A queue needs its pool.',
    often: 'Once per pool and ttl.',
    persisted: 'Nothing; the answer is used for its ttl.',
    failure: waits,
    doc: 'Returns kumo.make_egress_pool{...}. `unspecified` is built in; for other names a handler is needed.',
  }),
  defineEvent({
    name: 'get_egress_source',
    args: { name: 'string' },
    returns: 'egress_source',
    when: 'A pool needs one of its sources.',
    often: 'Once per source and ttl.',
    persisted: 'Nothing; the answer is used for its ttl.',
    failure: waits,
    doc: 'Returns kumo.make_egress_source{...}. `unspecified` is built in; for other names a handler is needed.',
  }),
  defineEvent({
    name: 'get_egress_path_config',
    args: { routing_domain: 'string', egress_source: 'string', site_name: 'string' },
    returns: 'egress_path',
    when: 'A ready queue is made, and when its configuration is refreshed.',
    often: 'Once per ready queue and refresh_interval.',
    persisted: 'Nothing; the answer is used until the refresh.',
    failure: waits,
    doc: 'Returns kumo.make_egress_path{...}. Without a handler the defaults hold.',
  }),
  defineEvent({
    name: 'smtp_client_rewrite_delivery_status',
    args: { response: 'string', ...queueParts },
    returns: 'integer|nil',
    when: 'The destination answered with another code than 250.',
    often: 'Per reply.',
    persisted: 'Nothing.',
    failure: 'Is logged; the code stays.',
    doc: 'May return another code.',
  }),
  defineEvent({
    name: 'requeue_message',
    multiple: true,
    args: {
      message: 'message',
      response: 'string',
      insert_context: 'string[]',
      increment_attempts: 'boolean',
      delay: 'time_delta|nil',
    },
    when: 'A message goes back into its scheduled queue.',
    often: 'Per failed attempt or internal delay.',
    persisted: 'Metadata that it sets, such as another queue, is kept with the message.',
    failure:
      'kumo.reject bounces the message; any other error is logged and the message goes back as it was.',
    doc: 'A chance to send the message another way. Without a handler nothing changes.',
  }),
  defineEvent({
    name: 'rebind_message',
    args: { message: 'message', data: 'table<string, string>' },
    when: 'An administrator rebinds queues and asks for the event.',
    often: 'Per message that waits in those queues, due or not; not for those in a ready queue.',
    persisted: 'Everything it sets is kept with the message.',
    failure: 'Is logged; the message stays as it was. So does it without a handler.',
    doc: 'Says where the message goes, by its metadata. In another queue it is due at once; in the same queue within a minute, unless the request says at once.',
  }),
];
