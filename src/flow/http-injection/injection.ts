import {
  type Clock,
  GENERATOR_QUEUE,
  type GenerationOutcome,
  type InjectionResponse,
  Message,
  type PolicyEvents,
  type ThrottleSpec,
  type Throttles,
} from '../../model/index.ts';
import { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import type { InjectedAs } from '../reception/index.ts';
import { Generator, type Origin, originMeta } from './generator.ts';
import { InjectionRefused } from './refusal.ts';
import { checkedRequest, type InjectedRecipient, type InjectionRequest } from './request.ts';
import { addSupplemental } from './trace-headers.ts';
import { receiveTransfer, type TransferParts } from './transfers.ts';

const EVENT = 'http_message_generated';
const RATE_LIMIT_KEY = 'kumomta.httpinject.ratelimit';
/** Messages of one request that are between generation and disk at a time, and their bytes. */
const MOST_UNDER_WAY = 64;
const MOST_BYTES_UNDER_WAY = 8 * 1024 * 1024;
/** The event loop turns after this many ms of one request. */
const LONGEST_TURN = 5;
/** A request that waits for its rate looks at least this often whether mail is still taken, ms. */
const LONGEST_SLEEP = 1000;

/** What the rooms around give to the injection. */
export interface InjectionParts extends TransferParts {
  policy: PolicyEvents;
  clock: Clock;
  throttles: Throttles;
  newMessageId: () => string;
  /** Of a multipart; in no text that anybody could know. */
  newBoundary: () => string;
  /** Why no mail is taken now; undefined when it is. */
  refusal: () => string | undefined;
  /** Reception. Rejects with why the message is not taken. */
  take: (message: Message, as: InjectedAs) => Promise<void>;
  /** Recipients per time over HTTP, of the process. */
  recipientRateLimit?: ThrottleSpec | undefined;
  /** This many recipients were tried. */
  onRecipients: (count: number) => void;
}

/** Why one recipient gets nothing. */
interface Failure {
  recipient: InjectedRecipient;
  why: string;
  /** Trying again later would not help. */
  isFinal: boolean;
}

/** What would fail later too. */
class FinalFailure extends Error {}

/** Makes messages of requests and hands them to reception. What it answers with success is on disk. */
export class Injection {
  readonly #parts: InjectionParts;
  readonly #inHand = new Set<Promise<unknown>>();

  constructor(parts: InjectionParts) {
    this.#parts = parts;
  }

  /** A message of another node. Gives its id here. Rejects with InjectionRefused; then it is not taken. */
  receiveTransfer(parcel: Buffer, origin: Origin): Promise<string> {
    return this.#track(async () => {
      this.#checkTaking();
      return receiveTransfer(this.#parts, parcel, origin);
    });
  }

  /** One request over HTTP. Rejects with InjectionRefused; then nothing is taken. */
  post(body: unknown, origin: Origin): Promise<InjectionResponse> {
    return this.#track(async () => {
      this.#checkTaking();
      const request = checkedRequest(body);
      const generator = new Generator(request, this.#parts);
      await this.#waitForRate(request.recipients.length);
      return this.#inject(generator, origin);
    });
  }

  /** One request of the policy, which no rate limits. Rejects as `post` does. */
  inject(body: unknown, origin: Origin): Promise<InjectionResponse> {
    return this.#track(async () => {
      this.#checkTaking();
      return this.#inject(new Generator(checkedRequest(body), this.#parts), origin);
    });
  }

  /** The messages of a request, which nobody has taken. Rejects as `post` does, and when one of them cannot be made. */
  async build(body: unknown, origin: Origin): Promise<Message[]> {
    const generator = new Generator(checkedRequest(body), this.#parts);
    const now = this.#parts.clock.now();
    return generator.request.recipients.map((recipient) => {
      try {
        return generator.messageFor(recipient, origin, now);
      } catch (error) {
        throw new InjectionRefused(422, `${recipient.email}: ${(error as Error).message}`);
      }
    });
  }

  /** Makes the messages of a request that was put off. What failed for now stays in the message. */
  generate(deferred: Message): Promise<GenerationOutcome> {
    return this.#track(() => this.#generate(deferred));
  }

  /** Resolves when no request is in hand. */
  async idle(): Promise<void> {
    while (this.#inHand.size > 0) await Promise.allSettled(this.#inHand);
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    const promise = work();
    this.#inHand.add(promise);
    try {
      return await promise;
    } finally {
      this.#inHand.delete(promise);
    }
  }

  #checkTaking(): void {
    const why = this.#parts.refusal();
    if (why !== undefined) throw new InjectionRefused(503, why);
  }

  /** Takes the recipients one part of a burst at a time, so that a long list passes a narrow limit. */
  async #waitForRate(recipients: number): Promise<void> {
    const { recipientRateLimit: spec, throttles, clock } = this.#parts;
    if (spec === undefined) return;
    for (let left = recipients; left > 0; ) {
      const quantity = Math.min(left, spec.burst);
      const verdict = await throttles.admit(RATE_LIMIT_KEY, spec, quantity);
      if (!verdict.throttled) left -= quantity;
      else {
        const wait = Math.min(verdict.retryAfter ?? LONGEST_SLEEP, LONGEST_SLEEP);
        await new Promise<void>((resolve) => clock.after(Math.max(1, wait), resolve));
        this.#checkTaking();
      }
    }
  }

  async #inject(generator: Generator, origin: Origin): Promise<InjectionResponse> {
    const { recipients, deferred_generation: isDeferred } = generator.request;
    if (isDeferred === true) {
      await this.#putOff(generator, origin);
      return answer(0, []);
    }
    this.#parts.onRecipients(recipients.length);
    return answer(recipients.length, await this.#takeAll(generator, origin));
  }

  /** Gives those that failed, in the order of the request. */
  async #takeAll(generator: Generator, origin: Origin): Promise<Failure[]> {
    const { clock } = this.#parts;
    const failures: (Failure | undefined)[] = [];
    const underWay = new Set<Promise<void>>();
    let bytes = 0;
    let turn = clock.monotonic();
    for (const [place, recipient] of generator.request.recipients.entries()) {
      const fail = (error: Error, isFinal: boolean): void => {
        failures[place] = { recipient, why: error.message, isFinal };
      };
      try {
        const message = generator.messageFor(recipient, origin, clock.now());
        const { size } = message;
        bytes += size;
        const taken: Promise<void> = this.#take(message, generator, origin)
          .catch((error: Error) => fail(error, error instanceof FinalFailure))
          .finally(() => {
            underWay.delete(taken);
            bytes -= size;
          });
        underWay.add(taken);
      } catch (error) {
        fail(error as Error, true);
      }
      while (underWay.size >= MOST_UNDER_WAY || bytes > MOST_BYTES_UNDER_WAY) await Promise.race(underWay);
      if (clock.monotonic() - turn < LONGEST_TURN) continue;
      await new Promise<void>((resolve) => clock.after(0, resolve));
      turn = clock.monotonic();
    }
    await Promise.all(underWay);
    return failures.filter((failure) => failure !== undefined);
  }

  async #take(message: Message, { request, trace }: Generator, origin: Origin): Promise<void> {
    const { policy, take } = this.#parts;
    if (policy.handles(EVENT)) {
      const result = await policy.fire(EVENT, [message, origin.auth]);
      if (result.kind === 'error') throw new Error(result.message);
      if (result.kind === 'reject') {
        const why = `${result.code} ${result.text}`;
        throw result.code < 500 ? new Error(why) : new FinalFailure(why);
      }
    }
    await addSupplemental(message, trace);
    await take(message, { isDeferred: request.deferred_spool ?? false, peer: origin.peer });
  }

  /** Keeps the request itself as a message, whose delivery makes the others. */
  async #putOff({ request, sender }: Generator, origin: Origin): Promise<void> {
    const meta = { ...originMeta(origin), auth_info: origin.auth, queue: GENERATOR_QUEUE };
    const id = this.#parts.newMessageId();
    const body = bodyOf(request);
    const message = new Message({ id, sender, recipients: [EnvelopeAddress.nullSender], meta, body });
    try {
      await this.#parts.take(message, { isDeferred: false, peer: origin.peer });
    } catch (error) {
      throw new InjectionRefused(500, (error as Error).message);
    }
  }

  async #generate(deferred: Message): Promise<GenerationOutcome> {
    const why = this.#parts.refusal();
    if (why !== undefined) return { kind: 'later', text: why };
    const request = JSON.parse(String(await deferred.data())) as InjectionRequest;
    const generator = new Generator(request, this.#parts);
    const { recipients } = request;
    this.#parts.onRecipients(recipients.length);
    const failures = await this.#takeAll(generator, originOf(deferred));
    if (failures.length === 0) return { kind: 'made', text: `OK, ${recipients.length} messages` };
    const missing = failures.filter(({ isFinal }) => !isFinal);
    const { recipient, why: first } = missing[0] ?? failures[0]!;
    const text = `${failures.length} of ${recipients.length} recipients failed: ${recipient.email}: ${first}`;
    if (missing.length > 0) {
      deferred.setData(bodyOf({ ...request, recipients: missing.map((failure) => failure.recipient) }));
      return { kind: 'later', text };
    }
    return { kind: failures.length === recipients.length ? 'failed' : 'made', text };
  }
}

function answer(recipients: number, failures: readonly Failure[]): InjectionResponse {
  return {
    success_count: recipients - failures.length,
    fail_count: failures.length,
    failed_recipients: failures.map(({ recipient }) => recipient.email),
    errors: failures.map(({ recipient, why }) => `${recipient.email}: ${why}`),
  };
}

function bodyOf(request: InjectionRequest): Buffer {
  return Buffer.from(JSON.stringify(request));
}

/** As it was when the request came. */
function originOf({ meta }: Message): Origin {
  return {
    peer: String(meta.received_from),
    via: String(meta.received_via),
    hostname: String(meta.hostname),
    auth: meta.auth_info as Origin['auth'],
  };
}
