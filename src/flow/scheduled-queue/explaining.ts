import {
  DEFERRED_INJECTION_QUEUE,
  type EffectiveOption,
  type ExplainAsked,
  type ExplainFacts,
  effectiveOptions,
  GENERATOR_QUEUE,
  type LiveRule,
  type Message,
  type MessageFacts,
  type MessagePlace,
  NULL_QUEUE,
  parseQueueName,
  type QueuedMessage,
  type QueueFacts,
  type QueueNameParts,
  type RouteFacts,
  type RuleFact,
} from '../../model/index.ts';
import { type QueueOptions, queueOptions } from '../../model/options/index.ts';
import { askOrigins, rateFact } from '../ready-queue/index.ts';
import type { Inspection } from './inspection.ts';
import type { ScheduleParts } from './parts.ts';
import type { ScheduledQueue } from './queue.ts';
import { QueueConfigError, type QueueConfigs } from './queue-configs.ts';

/** Messages of a line that are looked at for one of them. */
const LOOKED_AT = 10_000;
/** Explanations at a time. */
const MOST_AT_A_TIME = 32;
/** Their mail does not go through sources. */
const WITHOUT_ROUTE: readonly string[] = [NULL_QUEUE, GENERATOR_QUEUE, DEFERRED_INJECTION_QUEUE];
/** The metadata that names queues. */
const NAMING = ['queue', 'campaign', 'tenant', 'routing_domain'];

/** What an explanation needs of the room. */
export interface ExplainingRoom {
  readonly configs: QueueConfigs;
  readonly inspection: Inspection;
  /** Undefined when no message has made it. */
  find(name: string): ScheduledQueue | undefined;
}

/** Says what would become of a message and why. Nothing is taken, made or counted. */
export class Explaining {
  readonly #parts: ScheduleParts;
  readonly #room: ExplainingRoom;
  #running = 0;

  constructor(parts: ScheduleParts, room: ExplainingRoom) {
    this.#parts = parts;
    this.#room = room;
  }

  /** Undefined when the message or, unless `even`, the queue is not in this shard. */
  async explain(asked: ExplainAsked, even: boolean): Promise<ExplainFacts | undefined> {
    if (this.#running >= MOST_AT_A_TIME) throw new Error('too many explanations at a time');
    this.#running++;
    try {
      return await this.#explain(asked, even);
    } finally {
      this.#running--;
    }
  }

  async #explain(asked: ExplainAsked, even: boolean): Promise<ExplainFacts | undefined> {
    if (asked.kind === 'message') return this.#message(asked);
    const live = this.#room.find(asked.name);
    if (live === undefined && !even) return undefined;
    const { queue, route } = await this.#queue(asked.name, live);
    return { asked, now: this.#parts.clock.now(), queue, ...(route !== undefined && { route }) };
  }

  async #message(
    asked: Extract<ExplainAsked, { kind: 'message' }>,
    tries = 3,
  ): Promise<ExplainFacts | undefined> {
    const queued = await this.#room.inspection.find(asked.id);
    if (queued === undefined) return undefined;
    const home = queued.home as ScheduledQueue;
    const found = await this.#queue(home.name, home);
    const isHere = () => queued.home === home && home.members.has(queued);
    let message: Message;
    try {
      message = await this.#parts.store.load(queued);
    } catch (error) {
      if (isHere()) throw error;
      return undefined;
    }
    // It may have gone meanwhile: to another queue, or for good.
    if (!isHere()) {
      return queued.home === home || tries <= 1 ? undefined : this.#message(asked, tries - 1);
    }
    const before = this.#placeOf(queued, found.route);
    const isTold = before.kind !== 'ready' || hasSource(found.route, before.source);
    // Of a large pool, the source that the message waits for is told of in any case.
    const { queue, route } = isTold ? found : await this.#queue(home.name, home, before.source);
    const facts = this.#messageFacts(queued, message, route);
    const now = this.#parts.clock.now();
    return { asked, now, message: facts, queue, ...(route !== undefined && { route }) };
  }

  async #queue(
    name: string,
    live: ScheduledQueue | undefined,
    source?: string,
  ): Promise<{ queue: QueueFacts; route: RouteFacts | undefined }> {
    const { policy, throttles, ready, admin, clock, log } = this.#parts;
    const parts = live?.parts ?? parseQueueName(name);
    let options: QueueOptions | undefined;
    let error: string | undefined;
    try {
      options = live?.options ?? (await this.#room.configs.fetch(name, parts));
    } catch (problem) {
      if (!(problem instanceof QueueConfigError)) throw problem;
      error = problem.message;
    }
    const way = WITHOUT_ROUTE.includes(name) ? undefined : options;
    const route = way && (await ready.explainRoute(parts, way, source));
    const spec = options?.max_message_rate;
    const rate =
      spec &&
      (await rateFact({ throttles }, { key: `schedq-${name}-message-rate`, spec }, 'max_message_rate'));
    const told = options === undefined ? [] : await this.#options(parts, options);
    const waiting = live?.waiting;
    const now = clock.now();
    const bounce = ruleFact(admin.rules.bounce.match({ name, parts }, now));
    const suspension = ruleFact(admin.rules.suspend.match({ name, parts }, now));
    const queue: QueueFacts = {
      name,
      parts,
      size: live?.size ?? 0,
      line: waiting?.line?.length ?? 0,
      ...(waiting?.hold !== undefined && { hold: { reason: waiting.hold, until: waiting.until } }),
      ...(bounce !== undefined && { bounce }),
      ...(suspension !== undefined && { suspension }),
      ...(rate !== undefined && { rate }),
      isStalled: log.isStalled === true,
      isGated: policy.handles('throttle_insert_ready_queue'),
      options: told,
      ...(options !== undefined && { protocol: options.protocol.kind, retry: retryOf(options) }),
      ...(error !== undefined && { error }),
    };
    return { queue, route };
  }

  async #options(
    { domain, tenant, campaign, routingDomain }: QueueNameParts,
    options: QueueOptions,
  ): Promise<EffectiveOption[]> {
    const args = [domain, tenant, campaign, routingDomain];
    return effectiveOptions(
      queueOptions,
      options,
      await askOrigins(this.#parts, 'explain_queue_config', args),
    );
  }

  #messageFacts(queued: QueuedMessage, message: Message, route: RouteFacts | undefined): MessageFacts {
    const { due, attempts, size, schedule } = queued;
    const { sender, recipients, meta } = message;
    return {
      id: queued.entry.id,
      sender: sender.email,
      recipients: recipients.map(({ email }) => email),
      meta: Object.fromEntries(Object.entries(meta).filter(([key]) => NAMING.includes(key))),
      bytes: size,
      created: this.#parts.createdAt(queued.entry.id),
      due,
      attempts,
      place: this.#placeOf(queued, route),
      ...(schedule !== undefined && { scheduling: schedule.written }),
      ...(schedule?.expires !== undefined && { expires: schedule.expires }),
    };
  }

  #placeOf(queued: QueuedMessage, route: RouteFacts | undefined): MessagePlace {
    if (queued.wheelSlot >= 0) return { kind: 'scheduled' };
    const line = (queued.home as ScheduledQueue).waiting.line;
    const ahead = line?.slice(0, LOOKED_AT).indexOf(queued) ?? -1;
    if (ahead >= 0) return { kind: 'line', ahead };
    // The name of a ready queue is `SOURCE->SITE@PROTOCOL`.
    const site = `->${route?.site?.name}@`;
    for (const ready of this.#parts.ready.live()) {
      if (!ready.name.includes(site)) continue;
      const place = ready.waiting(0, LOOKED_AT).indexOf(queued);
      if (place >= 0) return { kind: 'ready', queue: ready.name, source: ready.source.name, ahead: place };
    }
    return line !== undefined && line.length > LOOKED_AT
      ? { kind: 'line', ahead: undefined }
      : { kind: 'hand' };
  }
}

function hasSource(route: RouteFacts | undefined, source: string): boolean {
  return route?.sources.some(({ name }) => name === source) === true;
}

function ruleFact(live: LiveRule | undefined): RuleFact | undefined {
  if (live === undefined) return undefined;
  const { id, reason, expires } = live.rule;
  return { id, reason, expires };
}

function retryOf({ retry_interval, max_retry_interval, max_age }: QueueOptions): QueueFacts['retry'] {
  return { retry_interval, max_age, ...(max_retry_interval !== undefined && { max_retry_interval }) };
}
