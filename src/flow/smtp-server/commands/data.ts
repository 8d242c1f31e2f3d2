import type { MaybePromise } from '../../../model/index.ts';
import { DataReader } from '../../../protocol/smtp/index.ts';
import { type Answer, answer } from '../answer.ts';
import { concludeTransaction } from '../conclude.ts';
import type { Reading, SessionContext } from '../context.ts';

/** RFC 5321 §4.1.1.4. After the 354 the session feeds the reader until CRLF.CRLF. */
export function data(context: SessionContext): Answer {
  const transaction = context.transaction;
  if (transaction === undefined) return answer(503, '5.5.0', 'MAIL FROM must be issued first');
  // RFC 3030 §2: DATA and BDAT do not mix within a transaction.
  if (transaction.chunks !== undefined) return answer(503, '5.5.1', 'DATA may not follow BDAT');
  if (transaction.recipients.length === 0) return answer(503, '5.5.0', 'RCPT TO must be issued first');
  const reader = new DataReader({
    framing: 'dot',
    maxSize: context.options.max_message_size,
    maxLineLength: context.options.line_length_hard_limit,
    lineEndings: context.options.invalid_line_endings,
  });
  transaction.deadline = context.parameters.clock.monotonic() + context.options.data_processing_timeout;
  context.reading = new DataReading(context, reader, transaction.deadline);
  return answer(354, '', 'Send the message, end it with CRLF.CRLF');
}

/** A class because one is made per message: an object literal with a getter costs 2 us. */
class DataReading implements Reading {
  readonly deadline: number;
  readonly endsData = true;
  readonly #context: SessionContext;
  readonly #reader: DataReader;

  constructor(context: SessionContext, reader: DataReader, deadline: number) {
    this.#context = context;
    this.#reader = reader;
    this.deadline = deadline;
  }

  get isComplete(): boolean {
    return this.#reader.ended;
  }

  feed(chunk: Buffer): number {
    return this.#reader.feed(chunk);
  }

  complete(): MaybePromise<Answer> {
    return concludeTransaction(this.#context, this.#reader.finish());
  }
}
