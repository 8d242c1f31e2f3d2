import { measured } from '../../model/index.ts';

/** Counters of a ready queue, each beside the total of its protocol. */
type ReadyCounter = 'ready_full' | 'total_connection_count' | 'dispatcher_watchdog_aborted_total';

/** Counts something of the ready queue of that name, which is not about every message. */
export function countFor(metric: ReadyCounter, queue: string): void {
  const service = serviceOf(queue);
  measured.series(metric, protocolOf(service)).add();
  if (service.includes(':')) measured.series(metric, service).add();
}

/** What metrics call a ready queue, by its name `SOURCE->SITE@PROTO`; those of workers have the name of the protocol. */
export function serviceOf(name: string): string {
  if (!name.includes('@')) return name;
  return `${name.includes('@lua:') ? 'lua' : 'smtp_client'}:${name}`;
}

function protocolOf(service: string): string {
  const colon = service.indexOf(':');
  return colon < 0 ? service : service.slice(0, colon);
}

/** The queue is gone, and what was counted for it alone. */
export function forgetCounts(name: string): void {
  const counters: ReadyCounter[] = [
    'ready_full',
    'total_connection_count',
    'dispatcher_watchdog_aborted_total',
  ];
  for (const metric of counters) measured.drop(metric, serviceOf(name));
}
