import { formatDuration } from './duration.ts';
import type {
  ExplainAsked,
  ExplainedStep,
  ExplainFacts,
  Explanation,
  LimitFact,
  MessageFacts,
  QueueFacts,
  RateFact,
  ReadyFacts,
  RouteFacts,
  RuleFact,
  SourceFacts,
} from './explanation.ts';
import { count, obstaclesOf, originOf } from './explanation-obstacles.ts';
import { atTime, expiryOf, laterAttempts, outlookOf } from './explanation-outlook.ts';
import { getOwn } from './json.ts';
import { DEFERRED_INJECTION_QUEUE, GENERATOR_QUEUE, NULL_QUEUE } from './queue-name.ts';

/** Addresses that are told one by one. */
const MOST_ADDRESSES = 8;

type Step = Omit<ExplainedStep, 'section'>;

/** The whole decision, step by step, with what happens next. Looks at nothing but the facts. */
export function explain(facts: ExplainFacts): Explanation {
  const obstacles = obstaclesOf(facts);
  const { queue, route } = facts;
  const sections: [string, Step[]][] = [
    ['Message', messageSteps(facts)],
    ['Queue', [...nameSteps(facts), ...queueSteps(queue, facts.now)]],
    ['Route', route === undefined ? [] : routeSteps(route, queue)],
    ...(route?.sources ?? []).map((source): [string, Step[]] => [
      `Source ${source.name}`,
      sourceSteps(source, facts.now),
    ]),
    ['Retries', retrySteps(facts)],
  ];
  return {
    subject: subjectOf(facts.asked),
    answer: outlookOf(facts, obstacles),
    obstacles,
    steps: sections.flatMap(([section, steps]) => steps.map((step) => ({ section, ...step }))),
    queue: { name: queue.name, options: queue.options },
    paths: (route?.sources ?? []).flatMap(({ name, ready }) =>
      ready === undefined ? [] : [{ source: name, readyQueue: ready.name, options: ready.options }],
    ),
  };
}

export function subjectOf(asked: ExplainAsked): string {
  switch (asked.kind) {
    case 'message':
      return `message ${asked.id}`;
    case 'queue':
      return `queue ${asked.name}`;
    case 'envelope':
      return `a message from <${asked.sender}> to <${asked.recipient}>`;
  }
}

function messageSteps({ message, now }: ExplainFacts): Step[] {
  if (message === undefined) return [];
  const { sender, recipients, bytes, created, attempts, due } = message;
  const others = recipients.length > 1 ? ` and ${count(recipients.length - 1, 'other')}` : '';
  return [
    { step: 'envelope', result: `<${sender}> to <${recipients[0] ?? ''}>${others}`, why: `${bytes} bytes` },
    { step: 'received', result: atTime(created, now) },
    { step: 'is', result: placeText(message) },
    { step: 'attempts', result: String(attempts) },
    ...(due > 0 ? [{ step: 'due', result: atTime(due, now) }] : []),
    ...(message.scheduling === undefined
      ? []
      : [{ step: 'scheduling', result: JSON.stringify(message.scheduling), why: 'set_scheduling' }]),
  ];
}

function placeText({ place }: MessageFacts): string {
  switch (place.kind) {
    case 'scheduled':
      return 'in its scheduled queue, until it is due';
    case 'line':
      return place.ahead === undefined
        ? 'in its scheduled queue, due, far behind others'
        : `in its scheduled queue, due, behind ${count(place.ahead, 'other')}`;
    case 'ready':
      return `in ready queue ${place.queue}, behind ${count(place.ahead, 'other')}`;
    case 'hand':
      return 'in the hand of a connection, or between two queues';
  }
}

function nameSteps({ asked, message, queue }: ExplainFacts): Step[] {
  const { name } = queue;
  const step = 'name';
  if (message !== undefined) return [{ step, result: name, why: namedAfter(message, queue) }];
  if (asked.kind !== 'envelope') return [{ step, result: name, why: partsText(queue) }];
  const why = `${partsText(queue)}; handlers that receive mail were not run and may name another queue`;
  return [{ step, result: name, why }];
}

function namedAfter({ meta, recipients }: MessageFacts, queue: QueueFacts): string {
  if (queue.name === NULL_QUEUE || queue.name === GENERATOR_QUEUE) return 'built in';
  if (queue.name === DEFERRED_INJECTION_QUEUE) return 'the listener has deferred_queue';
  if (typeof getOwn(meta, 'queue') === 'string') return 'meta queue';
  const named = ['campaign', 'tenant', 'routing_domain'].filter(
    (key) => typeof getOwn(meta, key) === 'string',
  );
  const domain = `the domain of ${recipients.length > 1 ? 'the first recipient' : 'the recipient'}`;
  return named.length === 0 ? domain : `meta ${named.join(', ')} and ${domain}`;
}

function partsText({ parts }: QueueFacts): string {
  const { domain, tenant, campaign, routingDomain } = parts;
  const given = { campaign, tenant, domain, 'routing domain': routingDomain };
  return Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
}

function queueSteps(queue: QueueFacts, now: number): Step[] {
  const { size, line, hold, rate, options } = queue;
  const steps: Step[] = [{ step: 'messages', result: String(size), why: `${line} of them due and in line` }];
  if (hold !== undefined) {
    const until = hold.until > now ? `until about ${atTime(hold.until, now)}` : 'as places become free';
    steps.push({ step: 'line held', result: hold.reason, why: until });
  }
  const { bounce, suspension } = queue;
  if (bounce !== undefined) steps.push({ step: 'bounced', ...ruleText(bounce, now) });
  if (suspension !== undefined) steps.push({ step: 'suspended', ...ruleText(suspension, now) });
  if (bounce === undefined && suspension === undefined) {
    steps.push({ step: 'rules', result: 'no administrator bounces or suspends it' });
  }
  if (rate !== undefined) steps.push(rateStep(rate, now, originOf(options, rate.option)));
  if (queue.isGated) {
    const result = 'asked before a message goes on';
    steps.push({
      step: 'policy',
      result,
      why: 'throttle_insert_ready_queue; not asked here, as it may count',
    });
  }
  if (queue.protocol !== undefined) {
    steps.push(withOrigin({ step: 'protocol', result: queue.protocol }, originOf(options, 'protocol')));
  }
  if (queue.error !== undefined) steps.push({ step: 'configuration', result: 'none', why: queue.error });
  return steps;
}

function ruleText({ id, reason, expires }: RuleFact, now: number): Omit<Step, 'step'> {
  return { result: `until ${atTime(expires, now)}`, why: reason, origin: `an administrator, rule ${id}` };
}

function routeSteps(route: RouteFacts, queue: QueueFacts): Step[] {
  const pool = { step: 'pool', result: route.pool };
  const steps: Step[] = [withOrigin(pool, originOf(queue.options, 'egress_pool'))];
  if (route.poolError !== undefined) steps[0]!.why = route.poolError;
  const told = route.sources.length;
  if (route.sourceCount > told) {
    steps.push({ step: 'sources', result: `${route.sourceCount}, of which ${told} are told here` });
  }
  if (route.site === undefined) return steps;
  const { domain, name, mx, error } = route.site;
  if (error !== undefined) return [...steps, { step: 'hosts', result: `none of ${domain}`, why: error }];
  for (const { preference, hosts } of mx?.groups ?? []) {
    const why = mx!.isMx ? undefined : 'the domain has no MX, and is its own host';
    const step = mx!.isMx ? `MX ${preference}` : 'host';
    steps.push({ step, result: hosts.join(', '), ...(why !== undefined && { why }) });
  }
  if (mx?.isNullMx) steps.push({ step: 'MX', result: 'null MX', why: 'the domain takes no mail' });
  if (mx !== undefined && mx.mtaSts !== 'none') steps.push({ step: 'MTA-STS', result: mx.mtaSts });
  const step = { step: 'site', result: name === '' ? "''" : name! };
  if (mx !== undefined)
    return [
      ...steps,
      { ...step, why: `DNS of ${domain}, for ${formatDuration(Math.round(mx.ttl / 1000) * 1000)}` },
    ];
  return [...steps, withOrigin({ ...step, why: 'not asked of DNS' }, originOf(queue.options, 'protocol'))];
}

function sourceSteps(source: SourceFacts, now: number): Step[] {
  const { weight, share, address, proxy, ehlo, leftOut, error, ready } = source;
  const from = [
    address === undefined ? undefined : `from ${address}`,
    proxy === undefined ? undefined : `through ${proxy}`,
    ehlo === undefined ? undefined : `as ${ehlo}`,
  ].filter((part) => part !== undefined);
  const percent = `${Math.round(share * 1000) / 10} %`;
  const steps: Step[] = [
    {
      step: 'share',
      result: `${percent}, weight ${weight}`,
      ...(from.length > 0 && { why: from.join(', ') }),
    },
  ];
  if (leftOut !== undefined) {
    const result = `left out until ${atTime(now + leftOut.for, now)}`;
    steps.push({ step: 'health', result, why: leftOut.why ?? 'it does not work' });
  }
  if (error !== undefined) steps.push({ step: 'path', result: 'none', why: error });
  if (ready !== undefined) steps.push(...readySteps(ready, now));
  return steps;
}

function readySteps(ready: ReadyFacts, now: number): Step[] {
  const { options, plan } = ready;
  const fill = `${ready.length} of ${ready.capacity}`;
  const steps: Step[] = [
    { step: 'ready queue', result: ready.name, ...(!ready.isLive && { why: 'not in use now' }) },
    withOrigin(
      { step: 'messages', result: fill, why: 'the part of this shard in max_ready' },
      originOf(options, 'max_ready'),
    ),
    { step: 'connections', result: `${ready.connections} open, ${ready.ideal} deserved by its messages` },
  ];
  if (ready.suspension !== undefined) {
    steps.push({ step: 'suspended', ...ruleText(ready.suspension, now) });
  }
  for (const [state, { context, since }] of Object.entries(ready.states)) {
    steps.push({ step: state.replaceAll('_', ' '), result: `since ${atTime(since, now)}`, why: context });
  }
  for (const limit of ready.limits) steps.push(limitStep(limit, originOf(options, limit.option)));
  const rates = [ready.connectionRate, ...ready.messageRates, ...ready.selectionRates];
  for (const rate of rates) {
    if (rate !== undefined) steps.push(rateStep(rate, now, originOf(options, rate.option)));
  }
  if (ready.failures > 0) {
    const why = `more than ${ready.failuresAllowed + 1} in a row put the whole ready queue off`;
    const result = `${count(ready.failures, 'session')} in a row reached no host`;
    const option = 'consecutive_connection_failures_before_delay';
    steps.push(withOrigin({ step: 'failures', result, why }, originOf(options, option)));
  }
  if (plan !== undefined) steps.push(planStep(plan));
  if (ready.connections > 0) {
    const result = `a session without progress ends after ${formatDuration(ready.watchdog)}`;
    steps.push({ step: 'watchdog', result });
  }
  return steps;
}

function planStep(plan: NonNullable<ReadyFacts['plan']>): Step {
  const step = 'addresses';
  switch (plan.kind) {
    case 'candidates': {
      const told = plan.candidates
        .slice(0, MOST_ADDRESSES)
        .map(({ name, address, port }) => `${name} ${address}${port === undefined ? '' : `:${port}`}`);
      const more = plan.candidates.length - told.length;
      return { step, result: told.join(', ') + (more > 0 ? ` and ${more} more` : '') };
    }
    case 'none':
      return { step, result: 'none' };
    case 'null-mx':
      return { step, result: 'none', why: 'null MX' };
    case 'prohibited':
      return { step, result: `${plan.host} ${plan.address} is prohibited`, why: 'prohibited_hosts' };
    case 'all-skipped':
      return { step, result: 'all are skipped', why: 'skip_hosts' };
  }
}

function limitStep({ option, limit, held, holders }: LimitFact, origin: string | undefined): Step {
  const why = holders.map(({ queue, connections }) => `${connections} by ${queue}`).join(', ');
  const step = { step: option, result: `${held} of ${limit} in use`, ...(why !== '' && { why }) };
  return withOrigin(step, origin);
}

function rateStep(rate: RateFact, now: number, origin: string | undefined): Step {
  const { option, remaining, capacity, clearsIn } = rate;
  const left = `${rate.rate}, ${remaining} of ${capacity} left`;
  const result = remaining > 0 ? left : `${left}, the next at ${atTime(now + clearsIn, now)}`;
  return withOrigin({ step: option, result }, origin);
}

function retrySteps(facts: ExplainFacts): Step[] {
  const { queue, message, now } = facts;
  if (queue.retry === undefined) return [];
  const { retry_interval: interval, max_retry_interval: most, max_age: age } = queue.retry;
  const cap = most === undefined ? '' : `, at most ${formatDuration(most)}`;
  const origin = originOf(queue.options, 'retry_interval');
  const schedule = `${formatDuration(interval)}, doubled by every attempt${cap}`;
  const steps: Step[] = [withOrigin({ step: 'interval', result: schedule }, origin)];
  const expiry = expiryOf(facts);
  if (message === undefined || expiry === undefined) {
    const given = { step: 'expires', result: `${formatDuration(age)} after it came` };
    return [...steps, withOrigin(given, originOf(queue.options, 'max_age'))];
  }
  const { times, isLast } = laterAttempts(facts);
  const list = times
    .map((time) => `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')}`)
    .join(', ');
  const end = isLast ? 'then it expires' : 'and so on';
  steps.push({ step: 'if that fails', result: list === '' ? 'it expires' : `about ${list}, ${end}` });
  const own = message.expires !== undefined;
  const expires = { step: 'expires', result: atTime(expiry, now), why: own ? 'set_scheduling' : 'max_age' };
  return [...steps, own ? expires : withOrigin(expires, originOf(queue.options, 'max_age'))];
}

function withOrigin(step: Step, origin: string | undefined): Step {
  return origin === undefined ? step : { ...step, origin };
}
