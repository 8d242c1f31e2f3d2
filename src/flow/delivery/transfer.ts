import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { HttpClient } from '../../io/http-client/index.ts';
import { type Message, packMessage, parseMessageId } from '../../model/index.ts';

const PATH = 'api/xfer/inject/v1';
/** A node may have to wait for its disk, ms. */
const TIMEOUT = 60_000;
/** Receivers take what unpacks to much more than it was for an attack. */
const HIGHEST_RATIO = 100;
/** Of an answer that is shown, characters. */
const SHOWN = 200;

const pack = promisify(gzip);

/** What another node made of a message. */
export type TransferResult =
  /** It has the message on its disk, under this id. */
  | { kind: 'taken'; id: string }
  /** It may have it or not, but did not say so. */
  | { kind: 'failed'; why: string };

/** Hands messages to other nodes (operations.md 5.7). */
export class TransferClient {
  readonly #http = new HttpClient({ userAgent: 'Moonpost', timeout: TIMEOUT, mostRedirects: 0 });

  /** Does not reject for anything that the node does. `target`: of `parseTransferTarget`. */
  async send(message: Message, target: string, nodeId: string): Promise<TransferResult> {
    const content = await message.data();
    const parcel = packMessage(message, content, { xfer_prior_id: message.id, xfer_prior_node: nodeId });
    const packed = await pack(parcel);
    const isPacked = packed.length * HIGHEST_RATIO > parcel.length;
    const headers = new Map([['Content-Type', 'application/octet-stream']]);
    if (isPacked) headers.set('Content-Encoding', 'gzip');
    try {
      const body = isPacked ? packed : parcel;
      const answer = await this.#http.send({ method: 'POST', url: target + PATH, headers, body });
      const text = (await answer.body).toString('utf8');
      const id = answer.status === 200 ? takenId(text) : undefined;
      if (id !== undefined) return { kind: 'taken', id };
      return { kind: 'failed', why: `${target} answered ${answer.status}: ${text.trim().slice(0, SHOWN)}` };
    } catch (error) {
      return { kind: 'failed', why: (error as Error).message };
    }
  }

  close(): void {
    this.#http.close();
  }
}

/** The id in an answer; anything else is no promise to keep the message. */
function takenId(text: string): string | undefined {
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    return typeof id === 'string' ? parseMessageId(id) : undefined;
  } catch {
    return undefined;
  }
}
