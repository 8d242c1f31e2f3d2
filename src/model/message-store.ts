import { EnvelopeAddress } from '../protocol/smtp/index.ts';
import { HoldingSpool } from './holding-spool.ts';
import type { MaybePromise } from './json.ts';
import { type MemoryState, PLENTY } from './memory.ts';
import { Message, type MessageKeeper } from './message.ts';
import type { QueuedMessage } from './queued-message.ts';
import { Schedule } from './schedule.ts';
import type { MessageId, Spool, SpooledEnvelope } from './spool.ts';

/** Messages in full, on top of the spool: what is loaded is used, what is not is read. */
export class MessageStore implements MessageKeeper {
  /** Close this one, not the one that was given: it may hold messages that are not on disk yet. */
  readonly spool: Spool;
  readonly #holding: HoldingSpool;

  constructor(spool: Spool, memory: MemoryState = PLENTY) {
    this.#holding = new HoldingSpool(spool, memory);
    this.spool = this.#holding;
  }

  /** Keeps a new message in memory until its delivery fails (`deferred_spool`). False when there is no room. */
  async hold(message: Message): Promise<boolean> {
    const entry = this.#holding.hold(message.id, envelopeOf(message), await message.data());
    if (entry !== undefined) message.keptBy(this, entry);
    return entry !== undefined;
  }

  /**
   * Puts a new message on disk. One whose body is in memory is handed to the spool before this returns. Rejects with
   * SpoolWriteError; then nothing was kept.
   */
  async keep(message: Message): Promise<void> {
    const body = message.body ?? (await message.data());
    message.keptBy(this, await this.spool.store(message.id, envelopeOf(message), body));
  }

  /** Writes what changed, if anything did. Rejects with SpoolWriteError; then the message counts as changed still. */
  async save(message: Message): Promise<void> {
    if (!message.dirty || message.entry === undefined) return;
    const body = message.isBodyChanged ? message.body : undefined;
    const takeBack = message.savingBegins();
    try {
      await this.spool.updateEnvelope(message.entry, envelopeOf(message), body);
    } catch (error) {
      takeBack();
      throw error;
    }
  }

  loadBody(message: Message): Promise<Buffer> {
    return this.spool.loadBody(message.entry!);
  }

  /** The message in full; its body is still read on demand. */
  load(queued: QueuedMessage): MaybePromise<Message> {
    if (queued.loaded !== undefined) {
      queued.loaded.attempts = queued.attempts;
      queued.loaded.due = queued.due;
      return queued.loaded;
    }
    return this.spool.loadEnvelope(queued.entry).then((envelope) => {
      const message = messageFrom(queued.entry.id, envelope, queued.size, () =>
        this.spool.loadBody(queued.entry),
      );
      message.keptBy(this, queued.entry);
      message.attempts = queued.attempts;
      message.due = queued.due;
      return message;
    });
  }
}

/** Rebuilds a message from what the spool kept. */
export function messageFrom(
  id: MessageId,
  envelope: SpooledEnvelope,
  size: number,
  load: () => Promise<Buffer>,
): Message {
  const message = new Message({
    id,
    sender: address(envelope.sender),
    recipients: envelope.recipients.map(address),
    meta: envelope.meta,
    size,
    load,
  });
  if (envelope.schedule !== undefined) message.schedule = new Schedule(envelope.schedule);
  return message;
}

function envelopeOf(message: Message): SpooledEnvelope {
  return {
    sender: message.sender.email,
    recipients: message.recipients.map((recipient) => recipient.email),
    meta: message.meta,
    ...(message.schedule !== undefined && { schedule: message.schedule.written }),
  };
}

function address(text: string): EnvelopeAddress {
  const parsed = EnvelopeAddress.parse(text);
  // The spool holds only what was an address once; anything else is damage that CRCs did not catch.
  if (parsed === undefined) throw new Error(`the spool holds an address that cannot be parsed: ${text}`);
  return parsed;
}
