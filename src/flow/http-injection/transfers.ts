import { cloneJson, endTransfer, type Message, ParcelError, unpackMessage } from '../../model/index.ts';
import type { Origin } from './generator.ts';
import type { InjectionParts } from './injection.ts';
import { InjectionRefused } from './refusal.ts';

const EVENT = 'xfer_message_received';

/** What takes messages from other nodes, beside what injection has. */
export interface TransferParts {
  /** UUID of this node. */
  nodeId: string;
  /** An id of this node with the time of creation of another one. */
  retimedMessageId: (id: string) => string;
}

/**
 * Takes a message that another node sent (operations.md 5.7). Resolves with its id when the disk has it; rejects with
 * InjectionRefused, and then the other node keeps it.
 */
export async function receiveTransfer(
  parts: InjectionParts,
  parcel: Buffer,
  origin: Origin,
): Promise<string> {
  const message = unpack(parts, parcel);
  if (message.meta.xfer_prior_node === parts.nodeId) {
    throw new InjectionRefused(400, `the message comes from this very node, ${parts.nodeId}`);
  }
  message.meta.xfer_from = origin.peer;
  message.meta.xfer_via = origin.via;
  message.meta.xfer_auth = cloneJson(origin.auth);
  await askPolicy(parts, message, origin);
  try {
    await parts.take(message, { isDeferred: false, peer: origin.peer, isTransfer: true });
  } catch (error) {
    throw new InjectionRefused(500, (error as Error).message);
  }
  return message.id;
}

function unpack(parts: TransferParts, parcel: Buffer): Message {
  try {
    const message = unpackMessage(parcel, parts.retimedMessageId);
    endTransfer(message);
    return message;
  } catch (error) {
    if (error instanceof ParcelError) throw new InjectionRefused(400, error.message);
    throw new InjectionRefused(400, `what was kept of its queue: ${(error as Error).message}`);
  }
}

async function askPolicy({ policy }: InjectionParts, message: Message, { auth }: Origin): Promise<void> {
  if (!policy.handles(EVENT)) return;
  const result = await policy.fire(EVENT, [message, auth]);
  if (result.kind === 'error') throw new InjectionRefused(500, `${EVENT}: ${result.message}`);
  if (result.kind === 'reject') {
    throw new InjectionRefused(500, `${EVENT} rejected it: ${result.code} ${result.text}`);
  }
}
