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
  }),
];

/** Events whose names policies choose; NAME and such stand for what they choose. */
export const chosenEvents = [
  defineEvent({
    name: 'log_disposition_NAME',
    args: { message: 'message', record: 'table' },
    when: 'A record is logged and kumo.configure_log_disposition_hook named a hook NAME. Not for Rejection and OOB, which have no message, nor for messages that carry log records.',
    often: 'Once per record that the hook takes.',
    persisted:
      'Nothing by itself: metadata that it sets are kept when the message is written for another reason.',
    failure: 'Is logged. The mail is not concerned.',
    doc: 'Gets the message that the record is about while it can still be read, for example to answer a Bounce with a report. What the record has no value for is NULL, which is not nil. Delivery waits for a handler that waits.',
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
  }),
];
