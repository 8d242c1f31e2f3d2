import { defineLogField } from './define/index.ts';
import type { RecordType } from './log-record.ts';

/** Types of delivery log records, as they stand in the field `type` (operations.md 9.1). */
export const RECORD_TYPES = [
  'Reception',
  'Delivery',
  'Bounce',
  'TransientFailure',
  'Expiration',
  'AdminBounce',
  'OOB',
  'Feedback',
  'Rejection',
  'AdminRebind',
  'Delayed',
  'DeferredInjectionRebind',
  'XferOut',
  'XferIn',
] as const satisfies readonly RecordType[];

/** When each type is written. */
export const recordTypeDocs: Readonly<Record<RecordType, string>> = {
  Reception: 'A message was accepted and is kept.',
  Delivery: 'The destination accepted the message.',
  Bounce: 'The message failed for good.',
  TransientFailure: 'An attempt failed; there will be another.',
  Expiration: 'The message got too old.',
  AdminBounce: 'An administrator bounced the message.',
  OOB: 'A delivery report arrived; one record per failed recipient, beside Reception. Its sender is whom the report was sent to.',
  Feedback: 'A feedback report arrived; in place of Reception.',
  Rejection: 'The listener answered 4xx or 5xx.',
  AdminRebind: 'An administrator moved the message to another queue.',
  Delayed: 'The message was put back into its scheduled queue for another reason than a failed attempt.',
  DeferredInjectionRebind: 'The message left the queue of deferred injection.',
  XferOut: 'Another node has the message now; the response tells its id there.',
  XferIn: 'The message came from another node; in place of Reception.',
};

/** Fields of a record in the order in which they are written (operations.md 9.2). */
export const logFields = [
  defineLogField('type', 'string', 'Type of the record.'),
  defineLogField('id', 'string', 'Id of the message; empty for Rejection.'),
  defineLogField('sender', 'string', 'Envelope sender; empty for the null sender.'),
  defineLogField(
    'recipient',
    'string or string[]',
    'Envelope recipient: a string when it is one, else a list.',
  ),
  defineLogField('queue', 'string', 'Scheduled queue; empty for Rejection.'),
  defineLogField('site', 'string', 'Ready queue, for records about an attempt.'),
  defineLogField('size', 'integer', 'Bytes of the message.'),
  defineLogField(
    'response',
    'object',
    '`code`, `enhanced_code` (null or `class`, `subject`, `detail`), `content` in one line, `command` or null.',
  ),
  defineLogField(
    'peer_address',
    'object or null',
    '`name` and `addr` of the other end; `is_secure` where DNSSEC proved the address.',
  ),
  defineLogField('timestamp', 'integer', 'When it happened, in seconds since 1970.'),
  defineLogField('event_time', 'string', 'The same, as RFC 3339 text with fractions.'),
  defineLogField('created', 'integer', 'When the message was made, in seconds since 1970.'),
  defineLogField('created_time', 'string', 'The same, as RFC 3339 text with fractions.'),
  defineLogField('num_attempts', 'integer', 'Attempts counted before this one.'),
  defineLogField(
    'bounce_classification',
    'string',
    'Class of the response; `Uncategorized` without a classifier.',
  ),
  defineLogField('egress_pool', 'string or null', 'Pool that sent.'),
  defineLogField('egress_source', 'string or null', 'Source that sent.'),
  defineLogField(
    'source_address',
    'object or null',
    'Local `address` with port, and `server` and `protocol` of a proxy.',
  ),
  defineLogField('feedback_report', 'object or null', 'The report, for Feedback.'),
  defineLogField('meta', 'object', 'Metadata that configure_local_logs asks for.'),
  defineLogField('headers', 'object', 'Headers that configure_local_logs asks for.'),
  defineLogField('delivery_protocol', 'string or null', '`ESMTP`, `Maildir`, `Lua` and others.'),
  defineLogField('reception_protocol', 'string or null', '`ESMTP`, `HTTP`, `LogRecord`; null for Rejection.'),
  defineLogField('nodeid', 'string', 'UUID of this node.'),
  defineLogField('tls_cipher', 'string, absent without TLS', 'Cipher of the connection.'),
  defineLogField('tls_protocol_version', 'string, absent without TLS', 'Version of TLS.'),
  defineLogField(
    'tls_peer_subject_name',
    'string[], absent without TLS',
    'Subject of the certificate of the peer.',
  ),
  defineLogField('provider_name', 'string, may be absent', 'Provider that the queue or path names.'),
  defineLogField('session_id', 'string, may be absent', 'UUID that all records of one connection share.'),
  defineLogField(
    'session_delivery',
    'integer, may be absent',
    'Which message of its connection to a peer it was: 1 on a new connection, more on one that was used again.',
  ),
  defineLogField(
    'tls_resumed',
    'boolean, may be absent',
    'Whether the connection to a peer resumed an earlier TLS session.',
  ),
] as const;
