import type { DeliveryEvent, DeliveryLog, MaybePromise } from '../../model/index.ts';
import type { Registry } from './registry.ts';

/** Metrics that an outcome adds to, by type of record. */
const outcomes: Partial<Record<DeliveryEvent['type'], string>> = {
  Delivery: 'total_messages_delivered',
  TransientFailure: 'total_messages_transfail',
  Bounce: 'total_messages_fail',
};

const services: Record<string, string> = { ESMTP: 'smtp_client', Maildir: 'maildir', Lua: 'lua' };

/** Counts what is logged, so that metrics and the delivery log cannot tell different stories. */
export class MeteredLog implements DeliveryLog {
  readonly #log: DeliveryLog;
  readonly #registry: Registry;

  constructor(log: DeliveryLog, registry: Registry) {
    this.#log = log;
    this.#registry = registry;
  }

  write(event: DeliveryEvent): MaybePromise<void> {
    if (event.type === 'Reception') this.#registry.series('total_messages_received', 'esmtp_listener').add();
    const name = outcomes[event.type];
    if (name !== undefined) this.#countOutcome(name, event);
    return this.#log.write(event);
  }

  /** Forgets what was counted for a ready queue, so that metrics do not outlive what they are about. */
  forget(readyQueue: string): void {
    for (const name of Object.values(outcomes)) this.#registry.drop(name, `smtp_client:${readyQueue}`);
  }

  #countOutcome(name: string, event: DeliveryEvent): void {
    const service = services[event.deliveryProtocol ?? ''];
    if (service === undefined) return;
    const count = event.recipients?.length ?? 1;
    this.#registry.series(name, service).add(count);
    if (event.site === '') return;
    this.#registry.series(name, `${service}:${event.site}`).add(count);
    const provider = event.providerName ?? siteName(event.site);
    this.#registry.series(`${name}_by_provider`, provider).add(count);
    const labels = [provider, event.source ?? '', event.pool ?? ''];
    this.#registry.series(`${name}_by_provider_and_source`, ...labels).add(count);
  }
}

/** The site of a ready queue name, `SOURCE->SITE@PROTOCOL`. */
function siteName(readyQueue: string): string {
  const start = readyQueue.indexOf('->');
  const end = readyQueue.lastIndexOf('@');
  return readyQueue.slice(start < 0 ? 0 : start + 2, end < 0 ? undefined : end);
}
