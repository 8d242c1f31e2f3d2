import { defineEvent } from '../define/index.ts';

const onConnection = 'Connection metadata lasts for the session and is copied into its messages.';
const refusesCommand =
  'kumo.reject answers the command and the session goes on, unless with 421. Any other error answers ' +
  '`421 4.3.0 HOST technical difficulties` and closes.';
const refusesTransaction =
  'kumo.reject answers the transaction, nothing is kept, the session goes on. Any other error answers ' +
  '`421 4.3.0 HOST technical difficulties` and closes; nothing is kept.';

export const smtpServerEvents = [
  defineEvent({
    name: 'smtp_server_get_dynamic_parameters',
    args: { listener: 'string', conn_meta: 'connection_meta' },
    returns: 'kumo.EsmtpListenerOverrides',
    when: 'A client connected, before all other events of the session.',
    often: 'Once per connection, and after XCLIENT and PROXY headers.',
    persisted: onConnection,
    failure: 'kumo.reject is answered and the connection closed; any other error likewise with 421 4.3.0.',
    doc: 'Returns settings of the listener for this connection. Without a handler there are none.',
  }),
  defineEvent({
    name: 'smtp_server_connection_accepted',
    args: { conn_meta: 'connection_meta' },
    when: 'Before the banner.',
    often: 'Once per connection.',
    persisted: onConnection,
    failure: 'kumo.reject is answered and the connection closed; any other error likewise with 421 4.3.0.',
    doc: 'A look at the client before it speaks.',
  }),
  defineEvent({
    name: 'smtp_server_ehlo',
    args: { domain: 'string', conn_meta: 'connection_meta', extensions: 'string[]|nil' },
    returns: 'string[]|nil',
    when: 'EHLO or HELO.',
    often: 'Each time the client sends one.',
    persisted: onConnection,
    failure: refusesCommand,
    doc: 'May return the extensions to announce. extensions is only given for EHLO. Without a handler the default list.',
  }),
  defineEvent({
    name: 'smtp_server_auth_plain',
    args: { authz: 'string', authc: 'string', password: 'string', conn_meta: 'connection_meta' },
    returns: 'boolean|table',
    when: 'AUTH PLAIN or LOGIN over TLS.',
    often: 'Once per attempt; after success no more.',
    persisted: onConnection,
    failure: refusesCommand,
    doc: 'Returns whether the password is right, or a table with the identities that it proves. Without a handler it is not.',
  }),
  defineEvent({
    name: 'smtp_server_mail_from',
    args: { sender: 'address', conn_meta: 'connection_meta' },
    when: 'MAIL FROM.',
    often: 'Once per transaction.',
    persisted: onConnection,
    failure: refusesCommand,
    doc: 'Without a handler every sender is accepted.',
  }),
  defineEvent({
    name: 'get_listener_domain',
    args: { domain: 'string', listener: 'string', conn_meta: 'connection_meta' },
    returns: 'listener_domain|nil',
    when: 'RCPT TO, for the domain of the sender and then for that of the recipient; and after smtp_server_message_received, for those that the message has then.',
    often: 'Once per session and domain; the session remembers sixteen answers.',
    persisted: onConnection,
    failure: 'Any error, kumo.reject too, answers `421 4.3.0 HOST technical difficulties` and closes.',
    doc: 'Says what may be relayed. Without a handler only relay_hosts counts.',
  }),
  defineEvent({
    name: 'smtp_server_rcpt_to',
    args: { recipient: 'address', conn_meta: 'connection_meta' },
    when: 'RCPT TO, once relaying is allowed.',
    often: 'Once per recipient.',
    persisted: onConnection,
    failure: refusesCommand,
    doc: 'Without a handler every recipient is accepted.',
  }),
  defineEvent({
    name: 'smtp_server_data',
    args: { message: 'message', conn_meta: 'connection_meta' },
    when: 'After the end of DATA or BDAT, before the message is split by recipient.',
    often: 'Once per transaction.',
    persisted: 'Metadata, content and recipients that it sets go into all messages of the transaction.',
    failure: refusesTransaction,
    doc: 'The message as received, with all recipients.',
  }),
  defineEvent({
    name: 'smtp_server_split_transaction',
    args: { message: 'message', conn_meta: 'connection_meta' },
    returns: 'address[][]|nil',
    when: 'After smtp_server_data.',
    often: 'Once per transaction.',
    persisted: 'Nothing.',
    failure: refusesTransaction,
    doc: 'Returns how recipients are put into messages. Without a handler batch_handling of the listener counts.',
  }),
  defineEvent({
    name: 'smtp_server_message_received',
    args: { message: 'message', conn_meta: 'connection_meta' },
    when: 'After the Received header was added, before the message is kept.',
    often: 'Once per message: per recipient, or per batch of recipients.',
    persisted: 'Everything it sets is kept with the message: metadata, envelope, content.',
    failure: refusesTransaction,
    doc: 'The place for metadata such as tenant and queue, for headers and signing.',
  }),
  defineEvent({
    name: 'smtp_server_message_deferred_inject',
    args: { message: 'message', conn_meta: 'connection_meta' },
    when: 'After the answer, for a listener with deferred_queue: when the message leaves the queue deferred_smtp_inject.kumomta.internal.',
    often: 'Once per message, again after a failure.',
    persisted:
      'Everything it sets is kept with the message: metadata, envelope, content. conn_meta is made of the metadata of the message, and what is written to it is lost.',
    failure:
      'kumo.reject with 500 or more bounces the message. Any other rejection, and any other error as 450, is logged as TransientFailure and tried again, with the message as it came.',
    doc: 'As smtp_server_message_received, but later. The metadata `queue` is null when it is called; the message then goes to the queue that its metadata names, with DeferredInjectionRebind logged and its count of attempts at 0. Without a handler it goes there at once.',
  }),
  defineEvent({
    name: 'smtp_server_rewrite_response',
    args: { status: 'integer', text: 'string', command: 'string|nil', conn_meta: 'connection_meta' },
    returns: 'integer|nil, string|nil',
    when: 'Before every reply.',
    often: 'Per reply.',
    persisted: 'Nothing.',
    failure: 'Is logged; the reply is sent as it was.',
    doc: 'May return another status and text.',
  }),
];
