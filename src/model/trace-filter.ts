import { LRUCache } from 'lru-cache';
import { CidrSet, isIpAddress, parseHostPort } from '../protocol/ip/index.ts';
import type { Json, JsonObject } from './json.ts';
import type { TraceRequest, TraceSide } from './smtp-trace.ts';

/** Whether a session with this conn_meta is wanted. */
export type TraceFilter = (meta: JsonObject) => boolean;

/** Lists of names, and what each is compared with. */
const NAMED = {
  campaign: 'campaign',
  tenant: 'tenant',
  domain: 'domain',
  routing_domain: 'routing_domain',
  egress_pool: 'egress_pool',
  egress_source: 'egress_source',
  mail_from: 'sender',
  rcpt_to: 'recipient',
  mx_host: 'mx_host',
  ready_queue: 'ready_queue_name',
} as const;

/**
 * The filter that a request asks for. What is not known of a session (yet) excludes nothing; of several recipients one
 * has to fit. Throws CidrError for what is no block of addresses.
 */
export function traceFilter(request: TraceRequest, side: TraceSide): TraceFilter {
  const tests: TraceFilter[] = [];
  for (const [list, key] of Object.entries(NAMED)) {
    const wanted = request[list as keyof typeof NAMED] ?? [];
    if (wanted.length > 0) tests.push((meta) => isAmong(meta[key], wanted));
  }
  const from = side === 'server' ? 'received_from' : 'source_address';
  for (const [list, key] of [['source_addr', from] as const, ['mx_addr', 'mx_address'] as const]) {
    const blocks = request[list] ?? [];
    if (blocks.length === 0) continue;
    const wanted = new CidrSet([...blocks]);
    // Every event of a session asks the same; parsing an address costs more than most events.
    const known = new LRUCache<string, boolean>({ max: 1000 });
    tests.push((meta) => {
      const value = meta[key];
      if (typeof value !== 'string') return true;
      const verdict = known.get(value) ?? isWithin(value, wanted);
      known.set(value, verdict);
      return verdict;
    });
  }
  return (meta) => tests.every((test) => test(meta));
}

function isAmong(value: Json | undefined, wanted: readonly string[]): boolean {
  if (typeof value === 'string') return wanted.includes(value);
  return !Array.isArray(value) || value.some((one) => isAmong(one, wanted));
}

function isWithin(text: string, wanted: CidrSet): boolean {
  const address = parseHostPort(text)?.address ?? (isIpAddress(text) ? text : undefined);
  return address === undefined || wanted.has(address);
}
