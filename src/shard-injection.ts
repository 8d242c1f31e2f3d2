import { randomUUID } from 'node:crypto';
import { Injection, type Origin } from './flow/http-injection/index.ts';
import type { InjectedAs } from './flow/reception/index.ts';
import { systemClock } from './io/clock/index.ts';
import type { Registry } from './io/metrics/index.ts';
import { random } from './io/random/index.ts';
import {
  type InjectionPort,
  type Message,
  type PolicyEvents,
  type Refusal,
  retimedMessageId,
  type ThrottleSpec,
  type Throttles,
} from './model/index.ts';
import type { ShardStart } from './shard-messages.ts';

/** What a shard gives to its injection. */
export interface ShardInjectionParts extends Pick<ShardStart, 'declarations' | 'nodeId' | 'shard'> {
  policy: PolicyEvents;
  throttles: Throttles;
  registry: Registry;
  newMessageId: () => string;
  refusal: () => Refusal | undefined;
  take: (message: Message, as: InjectedAs) => Promise<void>;
}

/** The injection of one shard. */
export function shardInjection({
  declarations,
  registry,
  refusal,
  shard,
  ...parts
}: ShardInjectionParts): Injection {
  const limit = declarations.findLast(({ kind }) => kind === 'set_httpinject_recipient_rate_limit');
  return new Injection({
    ...parts,
    clock: systemClock,
    retimedMessageId: (id) => retimedMessageId(id, { random, shard }),
    newBoundary: () => `=_${randomUUID()}`,
    refusal,
    recipientRateLimit: (limit?.options as ThrottleSpec | undefined) ?? undefined,
    onRecipients: (count) => registry.series('total_messages_received', 'http_listener').add(count),
  });
}

/** The injection as policy has it: from this machine, as the server itself (operations.md 4.5). */
export function policyInjection(injection: () => Injection, hostname: string): InjectionPort {
  const origin: Origin = {
    peer: '127.0.0.1',
    via: '127.0.0.1',
    hostname,
    auth: {
      peer_address: '127.0.0.1',
      identities: [{ identity: 'kumomta.internal', context: 'LocalSystem' }],
      groups: [],
    },
  };
  return {
    inject: (request) => injection().inject(request, origin),
    build: (request) => injection().build(request, origin),
  };
}
