import type { DeliveryEvent, DeliveryLog, MaybePromise } from '../../model/index.ts';
import type { Registry, Series } from './registry.ts';

/** Metrics that an outcome adds to, by type of record. */
const outcomes: Partial<Record<DeliveryEvent['type'], string>> = {
  Delivery: 'total_messages_delivered',
  TransientFailure: 'total_messages_transfail',
  Bounce: 'total_messages_fail',
};

const services: Record<string, string> = { ESMTP: 'smtp_client', Maildir: 'maildir', Lua: 'lua' };

/** Series of one ready queue, bound once: looking them up costs more than adding to them. */
interface BoundOutcome {
  total: Series;
  queue: Series | undefined;
  provider: Series | undefined;
  source: Series | undefined;
}

/** Counts what is logged, so that metrics and the delivery log cannot tell different stories. */
export class MeteredLog implements DeliveryLog {
  readonly #log: DeliveryLog;
  readonly #registry: Registry;
  readonly #received: Series;
  readonly #bound = new Map<string, Map<string, BoundOutcome>>();

  constructor(log: DeliveryLog, registry: Registry) {
    this.#log = log;
    this.#registry = registry;
    this.#received = registry.series('total_messages_received', 'esmtp_listener');
  }

  write(event: DeliveryEvent): MaybePromise<void> {
    if (event.type === 'Reception') this.#received.add();
    const name = outcomes[event.type];
    const service = services[event.deliveryProtocol ?? ''];
    if (name !== undefined && service !== undefined) this.#countOutcome(name, service, event);
    return this.#log.write(event);
  }

  /** Forgets what was counted for a ready queue, so that metrics do not outlive what they are about. */
  forget(readyQueue: string): void {
    this.#bound.delete(readyQueue);
    for (const name of Object.values(outcomes)) this.#registry.drop(name, `smtp_client:${readyQueue}`);
  }

  #countOutcome(name: string, service: string, event: DeliveryEvent): void {
    const count = event.recipients?.length ?? 1;
    const { total, queue, provider, source } = this.#outcome(name, service, event);
    total.add(count);
    queue?.add(count);
    provider?.add(count);
    source?.add(count);
  }

  #outcome(name: string, service: string, event: DeliveryEvent): BoundOutcome {
    let ofQueue = this.#bound.get(event.site);
    if (ofQueue === undefined) {
      ofQueue = new Map();
      this.#bound.set(event.site, ofQueue);
    }
    const provider = event.providerName ?? siteName(event.site);
    const key = `${name} ${service} ${provider} ${event.pool}`;
    let bound = ofQueue.get(key);
    if (bound === undefined) {
      bound = this.#bind(name, service, provider, event);
      ofQueue.set(key, bound);
    }
    return bound;
  }

  #bind(name: string, service: string, provider: string, event: DeliveryEvent): BoundOutcome {
    const registry = this.#registry;
    const total = registry.series(name, service);
    if (event.site === '') return { total, queue: undefined, provider: undefined, source: undefined };
    return {
      total,
      queue: registry.series(name, `${service}:${event.site}`),
      provider: registry.series(`${name}_by_provider`, provider),
      source: registry.series(
        `${name}_by_provider_and_source`,
        provider,
        event.source ?? '',
        event.pool ?? '',
      ),
    };
  }
}

/** The site of a ready queue name, `SOURCE->SITE@PROTOCOL`. */
function siteName(readyQueue: string): string {
  const start = readyQueue.indexOf('->');
  const end = readyQueue.lastIndexOf('@');
  return readyQueue.slice(start < 0 ? 0 : start + 2, end < 0 ? undefined : end);
}
