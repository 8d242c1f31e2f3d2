import type { DeliveryEvent, DeliveryLog, MaybePromise, Registry, Series } from '../../model/index.ts';

/** Metrics that an outcome adds to, by type of record. */
const outcomes: Partial<Record<DeliveryEvent['type'], string>> = {
  Delivery: 'total_messages_delivered',
  TransientFailure: 'total_messages_transfail',
  Bounce: 'total_messages_fail',
  XferOut: 'total_messages_delivered',
};

/** What metrics call the ways of delivery that records name. */
const services: Record<string, string> = {
  ESMTP: 'smtp_client',
  LMTP: 'smtp_client',
  Lua: 'lua',
  Maildir: 'maildir',
  xfer: 'xfer',
  DeferredSmtpInjection: 'defersmtpinject',
  HttpInjectionGenerator: 'httpinject',
};
/** Those whose ready queues are for sites. */
const WITH_SITES = new Set(['smtp_client', 'lua']);

/** Series of one ready queue, bound once: looking them up costs more than adding to them. */
interface BoundOutcome {
  total: Series;
  queue: Series | undefined;
  provider: Series | undefined;
  source: Series | undefined;
  /** Name and labels of the series that go with the ready queue. Providers that policy names stay: they are few. */
  dropped: [name: string, ...labels: string[]][];
}

/** Counts what is logged, so that metrics and the delivery log cannot tell different stories. */
export class MeteredLog implements DeliveryLog {
  readonly #log: DeliveryLog;
  readonly #registry: Registry;
  readonly #received: Series;
  /** The address that was counted for last. */
  #via: { address: string; series: Series | undefined } = { address: '', series: undefined };
  readonly #bound = new Map<string, Map<string, BoundOutcome>>();

  constructor(log: DeliveryLog, registry: Registry) {
    this.#log = log;
    this.#registry = registry;
    this.#received = registry.series('total_messages_received', 'esmtp_listener');
  }

  write(event: DeliveryEvent): MaybePromise<void> {
    // Injection counts recipients, whether or not they become messages.
    const isInjected = event.subject.meta.reception_protocol === 'HTTP';
    if (event.type === 'Reception' && !isInjected) this.#countReception(event);
    const name = outcomes[event.type];
    const service = services[event.deliveryProtocol ?? ''];
    if (name !== undefined && service !== undefined) this.#countOutcome(name, service, event);
    return this.#log.write(event);
  }

  /** Forgets what was counted for a ready queue, so that metrics do not outlive what they are about. */
  forget(readyQueue: string): void {
    const bound = this.#bound.get(readyQueue);
    this.#bound.delete(readyQueue);
    for (const { dropped } of bound?.values() ?? []) {
      for (const [name, ...labels] of dropped) this.#registry.drop(name, ...labels);
    }
  }

  /** In all, and for the address that the client connected to. */
  #countReception({ subject }: DeliveryEvent): void {
    this.#received.add();
    const via = subject.meta.received_via;
    if (typeof via !== 'string') return;
    if (this.#via.address !== via) {
      const series = this.#registry.series('total_messages_received', `esmtp_listener:${via}`);
      this.#via = { address: via, series };
    }
    this.#via.series?.add();
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
    if (event.site === '' || !WITH_SITES.has(service))
      return { total, queue: undefined, provider: undefined, source: undefined, dropped: [] };
    const ofSource: [string, string, string] = [provider, event.source ?? '', event.pool ?? ''];
    const dropped: BoundOutcome['dropped'] = [[name, `${service}:${event.site}`]];
    if (event.providerName === undefined) {
      dropped.push([`${name}_by_provider`, provider], [`${name}_by_provider_and_source`, ...ofSource]);
    }
    return {
      dropped,
      total,
      queue: registry.series(name, `${service}:${event.site}`),
      provider: registry.series(`${name}_by_provider`, provider),
      source: registry.series(`${name}_by_provider_and_source`, ...ofSource),
    };
  }
}

/** The site of a ready queue name, `SOURCE->SITE@PROTOCOL`. */
function siteName(readyQueue: string): string {
  const start = readyQueue.indexOf('->');
  const end = readyQueue.lastIndexOf('@');
  return readyQueue.slice(start < 0 ? 0 : start + 2, end < 0 ? undefined : end);
}
