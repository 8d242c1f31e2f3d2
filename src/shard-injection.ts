import { randomUUID } from 'node:crypto';
import { Injection, type Origin } from './flow/http-injection/index.ts';
import type { InjectedAs } from './flow/reception/index.ts';
import { systemClock } from './io/clock/index.ts';
import type { Registry } from './io/metrics/index.ts';
import type {
  InitDeclaration,
  InjectionPort,
  Message,
  PolicyEvents,
  Refusal,
  ThrottleSpec,
  Throttles,
} from './model/index.ts';

/** What a shard gives to its injection. */
export interface ShardInjectionParts {
  declarations: readonly InitDeclaration[];
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
  ...parts
}: ShardInjectionParts): Injection {
  const limit = declarations.findLast(({ kind }) => kind === 'set_httpinject_recipient_rate_limit');
  return new Injection({
    ...parts,
    clock: systemClock,
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
