import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatQueueName, type JsonObject, parseQueueName, queueNameOf } from '../../src/model/index.ts';
import { EnvelopeAddress } from '../../src/protocol/smtp/index.ts';

const name = (meta: JsonObject, recipient = 'user@Example.COM') =>
  queueNameOf({
    meta,
    recipients: [EnvelopeAddress.parse(recipient)!, EnvelopeAddress.parse('x@second.example')!],
  });

test.each([
  [{}, 'example.com'],
  [{ routing_domain: 'Relay.Example' }, 'example.com!Relay.Example'],
  [{ tenant: 't' }, 't@example.com'],
  [{ tenant: 't', routing_domain: 'r' }, 't@example.com!r'],
  [{ campaign: 'c' }, 'c:@example.com'],
  [{ campaign: 'c', routing_domain: 'r' }, 'c:@example.com!r'],
  [{ campaign: 'c', tenant: 't' }, 'c:t@example.com'],
  [{ campaign: 'c', tenant: 't', routing_domain: 'r' }, 'c:t@example.com!r'],
  [{ tenant: null, campaign: null }, 'example.com'],
  [{ queue: 'Just This', tenant: 't' }, 'Just This'],
  [{ queue: null, tenant: 't' }, 't@example.com'],
] as [JsonObject, string][])('%j is %s', (meta, queue) => {
  expect(name(meta)).toBe(queue);
});

describe('metadata that is no text', () => {
  test.each(['queue', 'tenant', 'campaign', 'routing_domain'])('%s', (key) => {
    expect(() => name({ [key]: 5 })).toThrow(`expected '${key}' to be a string value`);
  });

  test('nobody to send to', () => {
    expect(() => queueNameOf({ meta: {}, recipients: [] })).toThrow('no recipient');
  });
});

test.each([
  ['example.com', { domain: 'example.com' }],
  ['example.com!r', { domain: 'example.com', routingDomain: 'r' }],
  ['t@example.com', { domain: 'example.com', tenant: 't' }],
  ['c:@example.com', { domain: 'example.com', tenant: '', campaign: 'c' }],
  ['c:t@example.com!r', { domain: 'example.com', tenant: 't', campaign: 'c', routingDomain: 'r' }],
  ['example.com:2025', { domain: 'example.com:2025' }],
  ['c:t:u@a@b!c!d', { domain: 'a@b', tenant: 't:u', campaign: 'c', routingDomain: 'c!d' }],
])('%s is parsed', (text, parts) => {
  const all = { tenant: undefined, campaign: undefined, routingDomain: undefined, ...parts };
  expect(parseQueueName(text)).toEqual(all);
});

test('every name comes apart and together again', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ':', '@', '!', '.'), maxLength: 12 });
  fc.assert(
    fc.property(text, (value) => {
      expect(formatQueueName(parseQueueName(value))).toBe(value);
    }),
  );
});
