import { expect, test } from 'vitest';
import { mailRooms, pathConfig, type Rooms } from '../../kit/mail-rooms.ts';

const SECOND = 1000;

const only = (rooms: Rooms) => [...rooms.ready.live()][0]!;
const sessionOf = (rooms: Rooms): string => only(rooms).open.inspect()[0]!.sessionId!;
const withPath = (path: object): Rooms => mailRooms({ get_egress_path_config: () => pathConfig(path) });

test('a message in hand goes back uncounted, and those that wait go over another connection', async () => {
  const rooms = withPath({ connection_limit: 1 });
  let isSilent = true;
  rooms.peers.answer = (command) => (isSilent && command.startsWith('RCPT') ? 'silence' : undefined);
  await rooms.receive(['a@dest.example', 'b@dest.example']);
  await rooms.clock.advance(SECOND);
  expect(only(rooms).open.inspect()).toMatchObject([{ phase: 'DeliveringMessage' }]);
  isSilent = false;
  expect(only(rooms).open.abort(sessionOf(rooms))).toBe(true);
  await rooms.clock.advance(SECOND);
  expect(rooms.events.filter(({ type }) => type !== 'Reception')).toMatchObject([
    {
      type: 'Delayed',
      attempts: 0,
      response: {
        code: 451,
        enhanced: { class: 4, subject: 4, detail: 1 },
        content: 'KumoMTA internal: the connection was aborted by an administrator',
      },
    },
    { type: 'Delivery' },
  ]);
  await rooms.clock.advance(61 * SECOND);
  expect(rooms.events.filter(({ type }) => type === 'Delivery')).toHaveLength(2);
  expect(rooms.queues.size).toBe(0);
});

test('an idle connection ends at once, and the next message gets another', async () => {
  const rooms = withPath({ idle_timeout: '10 minutes' });
  await rooms.receive(['a@dest.example']);
  await rooms.clock.advance(SECOND);
  expect(only(rooms).open.inspect()).toMatchObject([{ phase: 'Idle' }]);
  const session = sessionOf(rooms);
  expect(only(rooms).open.abort(session)).toBe(true);
  await rooms.clock.advance(SECOND);
  expect(only(rooms).connections).toBe(0);
  expect(only(rooms).open.abort(session)).toBe(false);
  await rooms.receive(['b@dest.example']);
  await rooms.clock.advance(SECOND);
  expect(sessionOf(rooms)).not.toBe(session);
  expect(rooms.records().filter((record) => record === 'Delivery 250')).toHaveLength(2);
});

test('what waits between two messages ends too', async () => {
  const rooms = withPath({ connection_limit: 1, max_message_rate: '1/20s', idle_timeout: '30s' });
  await rooms.receive(['a@dest.example', 'b@dest.example']);
  await rooms.clock.advance(SECOND);
  expect(only(rooms).open.inspect()).toMatchObject([{ phase: 'MessageRateThrottled' }]);
  expect(only(rooms).open.abort(sessionOf(rooms))).toBe(true);
  await rooms.clock.advance(SECOND);
  expect(rooms.records().at(-1)).toBe('Delayed 451');
  await rooms.clock.advance(120 * SECOND);
  expect(rooms.queues.size).toBe(0);
});
