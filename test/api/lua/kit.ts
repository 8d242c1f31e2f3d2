import { luaModules, luaObjects } from '../../../src/api/lua/index.ts';
import { events } from '../../../src/model/events/index.ts';
import {
  ConnectionMeta,
  type InitDeclaration,
  Message,
  type PolicyHost,
  type PolicyResult,
  type ThrottleVerdict,
} from '../../../src/model/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { policy, type Told, testHost } from '../../lua/policy-kit.ts';

/** A host that notes what policy does with it. */
export interface NotingHost extends PolicyHost {
  clock: FakeClock;
  told: Told[];
  declarations: InitDeclaration[];
  injected: Message[];
  /** Verdicts that the throttles give, in order; then everything is admitted. */
  verdicts: Partial<ThrottleVerdict>[];
  asked: string[];
}

const ADMITTED: ThrottleVerdict = {
  throttled: false,
  limit: 11,
  remaining: 9,
  resetAfter: 1500,
  retryAfter: undefined,
};

export function notingHost(): NotingHost {
  const clock = new FakeClock();
  const host = {
    ...testHost(clock),
    clock,
    declarations: [] as InitDeclaration[],
    injected: [] as Message[],
    verdicts: [] as Partial<ThrottleVerdict>[],
    asked: [] as string[],
    newMessageId: () => '0'.repeat(32),
  };
  const said = new Set<string>();
  return Object.assign(host, {
    once: (key: string) => !said.has(key) && said.add(key).has(key),
    declare: (declaration: InitDeclaration) => void host.declarations.push(declaration),
    inject: async (message: Message) => void host.injected.push(message),
    throttles: {
      admit: (key: string) => {
        host.asked.push(key);
        return { ...ADMITTED, ...host.verdicts.shift() };
      },
    },
  });
}

/** Runs `body` as a handler of the real API and answers what it came to. */
export async function run(body: string, args: unknown[] = [], host = notingHost()): Promise<PolicyResult> {
  const { engine } = await policy(`kumo.on('run', function(...) ${body} end)`, {
    modules: luaModules,
    objects: luaObjects,
    events,
    host,
  });
  return engine.fire('run', args);
}

/** The values that `body` returned; what else it came to is a failure of the test. */
export async function values(body: string, args: unknown[] = [], host = notingHost()): Promise<unknown[]> {
  const result = await run(body, args, host);
  if (result.kind === 'absent') return [];
  if (result.kind !== 'values') throw new Error(JSON.stringify(result));
  return result.values;
}

/** The text of the error that `body` raised. */
export async function failure(body: string, args: unknown[] = []): Promise<string> {
  const result = await run(body, args);
  if (result.kind !== 'error') throw new Error(`no error but ${JSON.stringify(result)}`);
  return result.message;
}

export const address = (text: string) => EnvelopeAddress.parse(text)!;

export function message(body = 'Subject: hi\r\n\r\nbody\r\n', recipients = ['to@example.com']): Message {
  return new Message({
    id: 'ab'.repeat(16),
    sender: address('from@example.org'),
    recipients: recipients.map(address),
    meta: {},
    body: Buffer.from(body),
  });
}

export const connection = () => new ConnectionMeta();
