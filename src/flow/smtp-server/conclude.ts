import { type MaybePromise, Message, measured, type PolicyResult } from '../../model/index.ts';
import type { ReadBody } from '../../protocol/smtp/index.ts';
import { type Answer, answer, refusalOf, technicalDifficulties } from './answer.ts';
import type { SessionContext, Transaction } from './context.ts';
import { andThen } from './maybe-promise.ts';
import type { ReceivedTransaction } from './parameters.ts';
import { relayFacts } from './relay.ts';
import { parseBatches, SplitError } from './split.ts';

/**
 * The end of a message: asks policy (`smtp_server_data`), then hands it to reception. However that goes, the
 * transaction is over (RFC 5321 §4.1.1.4).
 */
export function concludeTransaction(context: SessionContext, read: ReadBody): MaybePromise<Answer> {
  const transaction = context.takeTransaction();
  const { clock } = context.parameters;
  const complete = clock.monotonic();
  // The deadline counts from DATA, or the first BDAT.
  reading.took(complete - (transaction.deadline - context.options.data_processing_timeout));
  return andThen(conclude(context, transaction, read), (answer) => {
    const now = clock.monotonic();
    processing.took(now - complete);
    transactions.took(now - transaction.began);
    return answer;
  });
}

const reading = measured.histogram('smtpsrv_read_data_duration');
const processing = measured.histogram('smtpsrv_process_data_duration');
const transactions = measured.histogram('smtpsrv_transaction_duration');

function conclude(context: SessionContext, transaction: Transaction, read: ReadBody): MaybePromise<Answer> {
  switch (read.kind) {
    case 'body':
      return askPolicy(context, transaction, read.body);
    // A peer whose line ends we refuse may mean another end of the message than we do: nothing that it sends
    // after it can be trusted to be commands (SMTP smuggling, CVE-2023-51764 to 51766).
    case 'nul':
      return answer(552, '5.6.0', 'message data must not contain NUL', 'ForceDisconnect');
    case 'bareLineEnding':
      return answer(552, '5.6.0', 'message data must use CRLF for line endings', 'ForceDisconnect');
    case 'tooBig':
      return messageTooBig();
    case 'lineTooLong':
      return answer(500, '5.2.3', 'line too long');
  }
}

export function messageTooBig(): Answer {
  return answer(552, '5.3.4', 'message too big');
}

/** When data_processing_timeout ends before the message is here, or before policy has decided about it. */
export function receivingTimedOut(): Answer {
  return answer(451, '4.4.5', 'data_processing_timeout exceeded (rx)');
}

function askPolicy(context: SessionContext, transaction: Transaction, body: Buffer): MaybePromise<Answer> {
  const { events } = context.parameters;
  if (!events.handles('smtp_server_data') && !events.handles(SPLIT)) {
    return context.parameters.receive(received(context, transaction, body));
  }
  const message = new Message({
    id: context.parameters.newMessageId(),
    sender: transaction.sender,
    recipients: [...transaction.recipients],
    meta: context.meta.snapshot(),
    body,
  });
  const fired = context.fire('smtp_server_data', [message, context.meta]);
  return andThen(beforeDeadline(context, transaction, fired), (result) => {
    if (result === 'late') return receivingTimedOut();
    return refusalOf(result, context.hostname) ?? split(context, transaction, message, body);
  });
}

const SPLIT = 'smtp_server_split_transaction';

/** Lets policy say which recipients share a message. */
function split(
  context: SessionContext,
  transaction: Transaction,
  message: Message,
  body: Buffer,
): MaybePromise<Answer> {
  const fired = context.fire(SPLIT, [message, context.meta]);
  return andThen(beforeDeadline(context, transaction, fired), (result) => {
    if (result === 'late') return receivingTimedOut();
    const refusal = refusalOf(result, context.hostname);
    if (refusal !== undefined) return refusal;
    const whole = { ...received(context, transaction, message.body ?? body), message };
    const value = result.kind === 'values' ? (result.values[0] ?? undefined) : undefined;
    if (value === undefined) return context.parameters.receive(whole);
    try {
      const batches = parseBatches(value);
      // What is relayed to nobody is refused (policy-api.md 1.5).
      if (batches.length === 0) return answer(550, '5.7.1', 'relaying not permitted');
      return context.parameters.receive({ ...whole, batches });
    } catch (error) {
      if (!(error instanceof SplitError)) throw error;
      context.parameters.diagnostics.error('smtp_server', error.message);
      return technicalDifficulties(context.hostname);
    }
  });
}

function received(context: SessionContext, transaction: Transaction, body: Buffer): ReceivedTransaction {
  return {
    sender: transaction.sender,
    recipients: transaction.recipients,
    body,
    meta: context.meta,
    listener: context.options,
    hostname: context.hostname,
    peer: context.peer,
    local: context.local,
    sessionId: context.sessionId,
    ehloDomain: context.ehloDomain,
    smtpUtf8: transaction.smtpUtf8,
    tls: context.tls,
    isAuthenticated: context.isAuthenticated,
    deadline: transaction.deadline,
    trace: context.trace,
    ...(context.parameters.events.handles('get_listener_domain') && {
      relayOf: (sender, recipient) => relayFacts(context, sender, recipient),
    }),
  };
}

/** Nothing is kept yet, so a handler that waits too long can be left behind. */
function beforeDeadline(
  context: SessionContext,
  transaction: Transaction,
  fired: MaybePromise<PolicyResult>,
): MaybePromise<PolicyResult | 'late'> {
  if (!(fired instanceof Promise)) return fired;
  const clock = context.parameters.clock;
  return new Promise((resolve, reject) => {
    const left = Math.max(transaction.deadline - clock.monotonic(), 1);
    const timer = clock.after(left, () => resolve('late'));
    fired.then(
      (result) => {
        timer.cancel();
        resolve(result);
      },
      (error) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
