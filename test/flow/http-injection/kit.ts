import { Generator } from '../../../src/flow/http-injection/generator.ts';
import { Injection, type InjectionParts, type Origin } from '../../../src/flow/http-injection/index.ts';
import { checkedRequest, type InjectionRequest } from '../../../src/flow/http-injection/request.ts';
import { LocalThrottles } from '../../../src/io/limits/index.ts';
import type { Rooms } from '../../kit/mail-rooms.ts';

export type { InjectionRequest };

export const origin: Origin = {
  peer: '198.51.100.7',
  via: '192.0.2.9',
  hostname: 'mta.example',
  auth: { peer_address: '198.51.100.7', identities: [], groups: ['kumomta:http-listener-trusted-ip'] },
};

export const request = (changes: Partial<InjectionRequest> = {}): InjectionRequest => ({
  envelope_sender: 'sender@source.example',
  recipients: [{ email: 'rcpt@dest.example' }],
  content: { text_body: 'hello' },
  ...changes,
});

/** What a recipient gets, or why nothing. */
export interface Made {
  text?: string;
  why?: string;
}

/** The messages of a request that nobody takes. Throws InjectionRefused. */
export function messagesOf(changes: Partial<InjectionRequest>, now: number): Made[] {
  let count = 0;
  const parts = {
    newMessageId: () => String(count++).padStart(32, '0'),
    newBoundary: () => `=_boundary-${count++}`,
  };
  const generator = new Generator(checkedRequest(request(changes)), parts);
  return generator.request.recipients.map((recipient) => {
    try {
      return { text: String(generator.messageFor(recipient, origin, now).body) };
    } catch (error) {
      return { why: (error as Error).message };
    }
  });
}

const NODE = '00000000-0000-4000-8000-00000000000b';

/** The injection of rooms. */
export function injectionOf(rooms: Rooms, parts: Partial<InjectionParts> = {}): Injection {
  let boundaries = 0;
  return new Injection({
    policy: rooms.policy,
    clock: rooms.clock,
    throttles: new LocalThrottles(rooms.clock),
    newMessageId: rooms.newMessageId,
    retimedMessageId: rooms.newMessageId,
    nodeId: NODE,
    newBoundary: () => `=_boundary-${boundaries++}`,
    refusal: () => undefined,
    take: (message, as) => rooms.reception.inject(message, as),
    onRecipients: () => {},
    ...parts,
  });
}
