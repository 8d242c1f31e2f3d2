import { expect, test } from 'vitest';
import { mailRooms, pathConfig } from '../../kit/mail-rooms.ts';

test('no descriptor left for a connection: no attempt is counted, no host is blamed, and the mail goes later', async () => {
  const rooms = mailRooms({
    get_egress_path_config: () => pathConfig({ consecutive_connection_failures_before_delay: 1 }),
  });
  rooms.peers.isShort = true;
  const recipients = Array.from({ length: 20 }, (_, n) => `u${n}@dest.example`);
  await rooms.receive(recipients);
  await rooms.clock.advance(10_000);
  const delayed = rooms.events.filter(({ type }) => type === 'Delayed');
  expect(delayed).toHaveLength(20);
  expect(delayed[0]!.response.content).toContain('no connection can be made now');
  expect(delayed[0]!.response.content).toContain('EMFILE');
  expect(new Set(delayed.map(({ attempts }) => attempts))).toEqual(new Set([0]));
  expect(rooms.records().some((record) => record.startsWith('TransientFailure'))).toBe(false);
  // One host of two is asked: the other would fail for the same reason.
  expect(new Set(rooms.peers.dials.map(({ address }) => address)).size).toBe(1);
  rooms.peers.isShort = false;
  await rooms.clock.advance(120_000);
  expect(rooms.records().filter((record) => record === 'Delivery 250')).toHaveLength(20);
  expect(rooms.spool.content.size).toBe(0);
});
