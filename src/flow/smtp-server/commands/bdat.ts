import type { MaybePromise } from '../../../model/index.ts';
import { DataReader } from '../../../protocol/smtp/index.ts';
import { type Answer, answer } from '../answer.ts';
import { concludeTransaction, messageTooBig } from '../conclude.ts';
import type { Reading, SessionContext, Transaction } from '../context.ts';

/**
 * RFC 3030 §2. There is no answer until the octets of the chunk have arrived. They arrive also when the chunk is
 * refused, and then go nowhere: left in the stream they would be taken for commands.
 */
export function bdat(context: SessionContext, size: number, last: boolean): void {
  const now = context.parameters.clock.monotonic();
  const transaction = context.transaction;
  const refusal = refusalOfChunk(transaction);
  if (transaction === undefined || refusal !== undefined) {
    const deadline = now + context.options.data_processing_timeout;
    context.reading = chunk(size, deadline, undefined, () => refusal!);
    return;
  }
  if (transaction.chunks === undefined) {
    transaction.deadline = now + context.options.data_processing_timeout;
    transaction.chunks = new DataReader({
      framing: 'chunk',
      maxSize: context.options.max_message_size,
      maxLineLength: context.options.line_length_hard_limit,
      lineEndings: context.options.invalid_line_endings,
    });
  }
  const reader = transaction.chunks;
  context.reading = chunk(size, transaction.deadline, reader, () => {
    if (last) return concludeTransaction(context, reader.finish());
    if (!reader.isTooBig) return answer(250, '', `OK ${size} octets`);
    // Chunks that still follow find no transaction and are refused one by one.
    context.takeTransaction();
    return messageTooBig();
  });
}

function refusalOfChunk(transaction: Transaction | undefined): Answer | undefined {
  if (transaction === undefined) return answer(503, '5.5.0', 'MAIL FROM must be issued first');
  if (transaction.recipients.length === 0) return answer(503, '5.5.0', 'RCPT TO must be issued first');
  return undefined;
}

function chunk(
  size: number,
  deadline: number,
  reader: DataReader | undefined,
  complete: () => MaybePromise<Answer>,
): Reading {
  let missing = size;
  return {
    deadline,
    endsData: false,
    get isComplete() {
      return missing === 0;
    },
    feed(octets) {
      const count = Math.min(missing, octets.length);
      reader?.feed(count === octets.length ? octets : octets.subarray(0, count));
      missing -= count;
      return count;
    },
    complete,
  };
}
