import { type EffectiveOption, formatOrigin } from './effective-options.ts';
import type {
  ExplainFacts,
  LimitFact,
  Obstacle,
  RateFact,
  ReadyFacts,
  RuleFact,
  SourceFacts,
} from './explanation.ts';

/** More sources are not told of one by one. */
const MOST_SOURCES = 4;

/** Where an option was said; undefined where nobody said anything. */
export function originOf(options: readonly EffectiveOption[], option: string): string | undefined {
  const origin = options.find((entry) => entry.option === option)?.origin;
  return origin === undefined ? undefined : formatOrigin(origin);
}

/** What holds mail of this queue back now, in the order in which a message meets it. */
export function obstaclesOf(facts: ExplainFacts): Obstacle[] {
  const { queue, route } = facts;
  if (queue.bounce !== undefined) {
    return [{ effect: 'bounces', ...byRule('an administrator has mail of this queue bounce', queue.bounce) }];
  }
  const found: Obstacle[] = [];
  if (queue.isStalled) {
    const what = 'the delivery log, or a log hook, cannot keep up, so that all queues pause';
    found.push({ effect: 'waits', what, ends: 'when its records have been taken' });
  }
  if (queue.suspension !== undefined) {
    const what = `scheduled queue ${queue.name} is suspended by an administrator`;
    found.push({ effect: 'fails', ...byRule(what, queue.suspension) });
  }
  if (queue.error !== undefined) {
    const ends = 'when the policy gives a configuration';
    return [...found, { effect: 'fails', what: `the queue has no configuration: ${queue.error}`, ends }];
  }
  if (queue.rate?.remaining === 0) {
    found.push({ effect: 'waits', ...byRate('the queue', queue.rate, queue.options, facts.now) });
  }
  if (route !== undefined) found.push(...onTheWay(facts));
  return found;
}

function onTheWay(facts: ExplainFacts): Obstacle[] {
  const { message, queue } = facts;
  const route = facts.route!;
  if (route.poolError !== undefined) {
    const what = `pool ${route.pool} cannot be used: ${route.poolError}`;
    const ends = 'when the policy defines the pool and its sources';
    return [withOrigin({ effect: 'fails', what, ends }, originOf(queue.options, 'egress_pool'))];
  }
  if (route.site?.error !== undefined) {
    const what = `${route.site.domain} cannot be resolved: ${route.site.error}`;
    return [{ effect: 'fails', what, ends: 'when DNS answers; it is asked again at the next attempt' }];
  }
  if (route.site === undefined) return [];
  if (route.sources.length === 0) {
    const what = `pool ${route.pool} has no source with a weight above 0`;
    return [withOrigin({ effect: 'fails', what }, originOf(queue.options, 'egress_pool'))];
  }
  const place = message?.place;
  if (place?.kind === 'ready') {
    const source = route.sources.find(({ name }) => name === place.source);
    return source?.ready === undefined ? [] : inReadyQueue(source.ready, facts.now);
  }
  return beforeSources(route.sources, facts.now);
}

/** Nothing as long as one of the sources is free to go. */
function beforeSources(sources: readonly SourceFacts[], now: number): Obstacle[] {
  const reasons = sources.map((source) => atSource(source, now));
  if (reasons.some((found) => found.length === 0)) return [];
  // What every source meets, such as a domain without hosts, is told once.
  const told = new Map<string, Obstacle>();
  for (const obstacle of reasons.flat()) if (!told.has(obstacle.what)) told.set(obstacle.what, obstacle);
  return [...told.values()].slice(0, MOST_SOURCES);
}

function atSource(source: SourceFacts, now: number): Obstacle[] {
  const { name, leftOut, error, ready } = source;
  if (error !== undefined) {
    return [{ effect: 'fails', what: `source ${name}: ${error}`, ends: 'when the policy is corrected' }];
  }
  if (leftOut !== undefined) {
    const what = `source ${name} is left out: ${leftOut.why ?? 'it does not work'}`;
    return [{ effect: 'fails', what, clears: now + leftOut.for }];
  }
  if (ready === undefined) return [];
  const found: Obstacle[] = [];
  if (ready.suspension !== undefined) {
    const what = `ready queue ${ready.name} is suspended by an administrator`;
    return [{ effect: 'fails', ...byRule(what, ready.suspension) }];
  }
  if (ready.length >= ready.capacity) {
    const what = `ready queue ${ready.name} is full: ${ready.length} messages, max_ready allows ${ready.capacity}`;
    const origin = originOf(ready.options, 'max_ready');
    found.push(withOrigin({ effect: 'waits', what, ends: 'as places become free' }, origin));
  }
  for (const rate of ready.selectionRates) {
    if (rate.remaining > 0) continue;
    found.push({ effect: 'fails', ...byRate(`source ${name}`, rate, ready.options, now) });
  }
  return [...found, ...inReadyQueue(ready, now)];
}

/** What holds up those that are in the ready queue already. */
function inReadyQueue(ready: ReadyFacts, now: number): Obstacle[] {
  if (ready.suspension !== undefined) {
    const what = `ready queue ${ready.name} is suspended by an administrator`;
    return [{ effect: 'fails', ...byRule(what, ready.suspension) }];
  }
  const found: Obstacle[] = [...noHosts(ready)];
  for (const limit of ready.limits) {
    // With nothing in line, one of its own connections may be idle.
    const isScarce = ready.length > 0 || ready.connections === 0;
    if (limit.held >= limit.limit && isScarce) found.push(byLimit(limit, ready.options));
  }
  if (ready.connectionRate?.remaining === 0) {
    found.push({ effect: 'waits', ...byRate(ready.name, ready.connectionRate, ready.options, now) });
  }
  for (const rate of ready.messageRates) {
    if (rate.remaining === 0)
      found.push({ effect: 'waits', ...byRate(ready.name, rate, ready.options, now) });
  }
  if (ready.failures > 0) {
    const bulk = ready.failures > ready.failuresAllowed ? ', so the whole ready queue is put off' : '';
    const last = ready.failures === 1 ? 'the last session' : `the last ${ready.failures} sessions`;
    const what = `${last} of ${ready.name} reached no host that would talk${bulk}`;
    const ends = 'with the first connection that succeeds';
    const origin = originOf(ready.options, 'consecutive_connection_failures_before_delay');
    found.push(withOrigin({ effect: 'fails', what, ends }, bulk === '' ? undefined : origin));
  }
  return found;
}

function noHosts({ plan, options }: ReadyFacts): Obstacle[] {
  switch (plan?.kind) {
    case 'null-mx':
      return [{ effect: 'bounces', what: 'the domain says that it takes no mail (null MX)' }];
    case 'prohibited': {
      const what = `${plan.host} ${plan.address} is on the list of prohibited_hosts`;
      return [withOrigin({ effect: 'bounces', what }, originOf(options, 'prohibited_hosts'))];
    }
    case 'all-skipped': {
      const what = 'every host of the site is on the list of skip_hosts';
      return [withOrigin({ effect: 'fails', what }, originOf(options, 'skip_hosts'))];
    }
    case 'none': {
      const what = 'no host of the site has an address';
      return [{ effect: 'fails', what, ends: 'when DNS has one; it is asked again at the next attempt' }];
    }
    default:
      return [];
  }
}

function byRule(what: string, { reason, expires }: RuleFact): { what: string; clears: number; ends: string } {
  return { what: `${what} (${reason})`, clears: expires, ends: 'or when the rule is cancelled' };
}

function byRate(
  whose: string,
  { option, rate, clearsIn }: RateFact,
  options: readonly EffectiveOption[],
  now: number,
): Omit<Obstacle, 'effect'> {
  const what = `${option} = ${rate} of ${whose} is used up`;
  return withOrigin({ what, clears: now + clearsIn }, originOf(options, option));
}

function byLimit({ option, limit, held, holders }: LimitFact, options: readonly EffectiveOption[]): Obstacle {
  const who = holders
    .slice(0, 3)
    .map(({ queue, connections }) => `${connections} by ${queue}`)
    .join(', ');
  const what = `${option} = ${limit} is reached: ${held} in use${who === '' ? '' : `, ${who}`}`;
  const ends = 'when one of these connections closes or has sent what it has in hand';
  return withOrigin({ effect: 'waits', what, ends }, originOf(options, option));
}

function withOrigin<T extends Omit<Obstacle, 'effect'>>(obstacle: T, origin: string | undefined): T {
  return origin === undefined ? obstacle : { ...obstacle, origin };
}

/** `1 message`, `2 messages`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
