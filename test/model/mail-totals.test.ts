import { expect, test } from 'vitest';
import { type DeliveryEvent, MailTotals } from '../../src/model/index.ts';

const event = (type: DeliveryEvent['type'], recipients: string[], more: object = {}): DeliveryEvent =>
  ({ type, subject: { meta: {}, recipients }, ...more }) as unknown as DeliveryEvent;

test('recipients count once, in the month of UTC in which it was; records of records do not', () => {
  let now = Date.parse('2026-01-31T23:59:59.999Z');
  const totals = new MailTotals(() => now);
  totals.count(event('Reception', ['a', 'b', 'c']));
  totals.count(event('Delivery', ['a', 'b', 'c'], { recipients: ['a', 'b'] }));
  for (const type of ['TransientFailure', 'Bounce', 'XferIn', 'Delayed'] as const)
    totals.count(event(type, ['a']));
  totals.count({
    ...event('Reception', ['a']),
    subject: { meta: { reception_protocol: 'LogRecord' }, recipients: ['a'] },
  } as never);
  now++;
  totals.count(event('Delivery', ['c']));
  const taken = totals.take();
  expect(taken).toEqual([
    { month: '2026-01-01 00:00:00', received: 3, delivered: 2 },
    { month: '2026-02-01 00:00:00', received: 0, delivered: 1 },
  ]);
  expect(totals.take()).toEqual([]);
  totals.add(taken);
  totals.count(event('Delivery', ['d']));
  expect(totals.take()[1]).toEqual({ month: '2026-02-01 00:00:00', received: 0, delivered: 2 });
});
