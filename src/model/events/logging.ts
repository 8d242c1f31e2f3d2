import { defineEvent } from '../define/index.ts';

export const loggingEvents = [
  defineEvent({
    name: 'should_enqueue_log_record',
    multiple: true,
    args: { message: 'message', hook_name: 'string' },
    returns: 'boolean|nil',
    when: 'A record was logged that a hook of kumo.configure_log_hook takes. `message` carries it: its content is the record as a line of JSON, or what the template of the hook makes of it; its sender and recipients are those of the record; its metadata are those that the hook asks for, `log_record` (the record as a table), and `reception_protocol`, which is `LogRecord`. Records about such messages fire nothing.',
    often: 'Once per record and hook.',
    persisted:
      'Everything it sets is kept with the message that carries the record. That message is handed to the spool before the one that the record is about can leave it, so a killed process (kill -9) forgets neither; it forgets records of messages that are still queued when they are not on disk yet, those of a hook with deferred_spool, and those that wait in memory because the disk is full. An orderly end saves all.',
    failure: 'Is logged; the record is not sent by this hook. The mail is not concerned.',
    doc: 'Returns whether the record is put into a queue; without an answer, or with nil, it is not. Set the metadata `queue` to choose the queue, else the domain of the first recipient names it. A handler that waits holds up the delivery that made the record; one that does not costs it nothing.',
    example: `
local kumo = require 'kumo'

kumo.on('init', function()
  kumo.configure_log_hook {
    name = 'archive',
    meta = { 'tenant', 'campaign' },
    headers = { 'Subject', 'X-*' },
    per_record = {
      Reception = { enable = false },
      Delivery = { template = '{{ event_time }} {{ recipient }} {{ response.code }}' },
    },
  }
end)

kumo.on('should_enqueue_log_record', function(msg, hook_name)
  -- Falling off the end passes the record on to the next handler; a hook of another name is not ours to answer for.
  if hook_name ~= 'archive' then
    return
  end
  local record = msg:get_meta 'log_record'
  if record.queue == 'test.example' then
    return false
  end
  msg:set_meta('queue', 'archive.log_hook')
  return true
end)

kumo.on('get_queue_config', function(domain)
  if domain == 'archive.log_hook' then
    return kumo.make_queue_config { protocol = { maildir_path = '/var/spool/archive' } }
  end
end)
`,
  }),
];

/** Events whose names policies choose; NAME and such stand for what they choose. */
export const chosenEvents = [
  defineEvent({
    name: 'log_disposition_NAME',
    args: { message: 'message', record: 'kumo.LogRecord' },
    when: 'A record is logged and kumo.configure_log_disposition_hook named a hook NAME. Not for Rejection and OOB, which have no message, nor for messages that carry log records.',
    often: 'Once per record that the hook takes.',
    persisted:
      'Nothing by itself: metadata that it sets are kept when the message is written for another reason.',
    failure: 'Is logged. The mail is not concerned.',
    doc: 'Gets the message that the record is about while it can still be read, for example to answer a Bounce with a report. What the record has no value for is NULL, which is not nil. Delivery waits for a handler that waits.',
    example: `
local kumo = require 'kumo'

kumo.on('init', function()
  kumo.configure_log_disposition_hook {
    name = 'bounces',
    per_record = { Any = { enable = false }, Bounce = { enable = true } },
  }
end)

kumo.on('log_disposition_bounces', function(msg, record)
  local report = kumo.generate_rfc3464_message({
    reporting_mta = { mta_type = 'dns', name = 'mx.example.com' },
    enable_bounce = true,
  }, msg, record)
  if report then
    kumo.inject_message(report)
  end
end)
`,
  }),
  defineEvent({
    name: 'FILTER_EVENT',
    args: { message: 'message' },
    returns: 'boolean',
    when: 'A record is about to be written by a logger of kumo.configure_local_logs whose filter_event is this name. Not for Rejection, which has no message.',
    often: 'Once per record and logger.',
    persisted:
      'Nothing by itself: metadata that it sets are kept when the message is written for another reason.',
    failure: 'Is logged; the record is not written by this logger.',
    doc: 'Returns true for what this logger is to write. Any other answer, and a name without handler, keep the record out of its files.',
    example: `
local kumo = require 'kumo'

kumo.on('init', function()
  kumo.configure_local_logs { log_dir = '/var/log/moonpost/example.com', filter_event = 'is_of_example' }
end)

kumo.on('is_of_example', function(msg)
  return msg:sender().domain == 'example.com'
end)
`,
  }),
  defineEvent({
    name: 'TASK_EVENT',
    args: { args: 'any[]' },
    when: 'kumo.spawn_task named it in event_name: for a task of `init` once mail is taken, else at once.',
    often: 'Once per call; a task of `init` once in the whole process.',
    persisted: 'Nothing.',
    failure: 'Is logged; the task has ended.',
    doc: 'Gets args of kumo.spawn_task, and may wait as long as it likes.',
  }),
  defineEvent({
    name: 'KEY_EVENT',
    args: { '...': 'any' },
    returns: 'string',
    when: 'An option that takes a key names it in event_name, and the key is needed.',
    often: 'As often as the key is read; what is made of it is kept for some time.',
    persisted: 'Nothing.',
    failure: 'Is logged, and what needed the key fails with `event NAME gave no key`.',
    doc: 'Gets event_args, and returns the bytes of the key.',
  }),
];
