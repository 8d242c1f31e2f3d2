import type { SinkEnd, SinkVisit } from '../../src/cli/sink.ts';
import { PROVIDERS } from './outbound.ts';

/** What the receivers of a provider saw, beside what the policy allows. */
export interface SeenOfProvider {
  provider: number;
  messages: number;
  /** Most connections at one time: of one source to one site, and of all together. */
  mostAtSite: number;
  mostTogether: number;
  /** Messages in the busiest second. */
  busiestSecond: number;
}

export interface SeenLimits {
  providers: SeenOfProvider[];
  /** Each is a limit of the policy that did not hold. */
  exceeded: string[];
}

/**
 * Holds what the receivers recorded against the limits of PROVIDERS. `start`: when the first message was offered, in ms
 * since the epoch. What is late may come together, so a rate is held by being never ahead: at no moment has more come than
 * the burst, one more, and what the time since the start allows.
 */
export function seenLimits(
  ends: readonly SinkEnd[],
  visits: readonly SinkVisit[],
  ports: readonly number[],
  start: number,
): SeenLimits {
  const exceeded: string[] = [];
  const providerOf = ({ port }: { port: number }): number => ports.indexOf(port) % PROVIDERS.length;
  const messagesOf = Map.groupBy(
    ends.filter(({ fault }) => fault === null),
    providerOf,
  );
  const visitsOf = Map.groupBy(visits, providerOf);
  const providers = PROVIDERS.map((limits, provider): SeenOfProvider => {
    const messages = messagesOf.get(provider) ?? [];
    const came = visitsOf.get(provider) ?? [];
    const name = (key: string): string => `provider ${provider}, ${key}`;
    const hold = (key: string, most: number, limit: number | undefined): void => {
      if (limit !== undefined && most > limit)
        exceeded.push(`${name(key)}: ${most} connections, limit ${limit}`);
    };
    const notAhead = (key: string, times: number[], rate: (typeof limits)['messages']): void => {
      const early = rate && firstAhead(times, start, rate.burst, rate.perSecond);
      if (early !== undefined) exceeded.push(`${name(key)}: ${early}`);
    };
    let mostAtSite = 0;
    for (const [key, ofOne] of Map.groupBy(came, siteAndSource)) {
      const most = mostAtOnce(ofOne);
      mostAtSite = Math.max(mostAtSite, most);
      hold(key, most, limits.connections);
      notAhead(
        `connections ${key}`,
        ofOne.map(({ begun }) => begun),
        limits.connecting,
      );
    }
    for (const [key, ofOne] of Map.groupBy(messages, siteAndSource)) {
      notAhead(
        `messages ${key}`,
        ofOne.map(({ at }) => at),
        limits.messages,
      );
    }
    const times = messages.map(({ at }) => at);
    notAhead('messages together', times, limits.messagesTogether);
    const mostTogether = mostAtOnce(came);
    hold('together', mostTogether, limits.connectionsTogether);
    return { provider, messages: messages.length, mostAtSite, mostTogether, busiestSecond: busiest(times) };
  });
  return { providers, exceeded };
}

const siteAndSource = ({ port, client }: { port: number; client: string }): string => `${client} to ${port}`;

/** One that ends at the moment in which another begins makes room for it. */
export function mostAtOnce(visits: readonly SinkVisit[]): number {
  const changes = visits.flatMap(({ begun, ended }) => [
    { at: begun, by: 1 },
    { at: ended, by: -1 },
  ]);
  let open = 0;
  let most = 0;
  for (const { by } of changes.sort((a, b) => a.at - b.at || a.by - b.by)) {
    open += by;
    most = Math.max(most, open);
  }
  return most;
}

/** Says where more had come than could have; undefined when there is no such place. */
export function firstAhead(
  times: readonly number[],
  start: number,
  burst: number,
  perSecond: number,
): string | undefined {
  const sorted = times.toSorted((a, b) => a - b);
  const at = sorted.findIndex((time, index) => {
    // The two clocks may differ by what their reading takes.
    const allowed = burst + 1 + ((time - start + 5) / 1000) * perSecond;
    return index + 1 > allowed;
  });
  if (at < 0) return undefined;
  return `${at + 1} within ${((sorted[at]! - start) / 1000).toFixed(2)} s, at ${perSecond}/s and ${burst} at once`;
}

function busiest(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  let first = 0;
  let most = 0;
  for (let last = 0; last < sorted.length; last++) {
    while (sorted[last]! - sorted[first]! >= 1000) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
