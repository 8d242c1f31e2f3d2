import { luaModules, luaObjects } from '../../../src/api/lua/index.ts';
import { LocalThrottles } from '../../../src/io/limits/index.ts';
import { events } from '../../../src/model/events/index.ts';
import { notingHost } from '../../api/lua/kit.ts';
import { mailRooms, type Rooms } from '../../kit/mail-rooms.ts';
import type { MemorySpoolContent } from '../../kit/memory-spool.ts';
import { type SmtpSessionSetup, type TestClient, TestServer } from '../../kit/smtp-session.ts';
import { policy } from '../../lua/policy-kit.ts';

export interface MailPath {
  rooms: Rooms;
  /** What the policy noted with `note(...)`, in order. */
  noted: unknown[][];
  /** Lines of the diagnostic log, of policy and of the rooms. */
  said: () => string;
  connect(): TestClient;
  advance(seconds: number): Promise<void>;
  /** The same spool and clock under a policy that starts anew. */
  restart(source: string): Promise<MailPath>;
}

/** What every policy of the audit may use: note(...) writes its arguments down, text(v) makes objects plain. */
const PRELUDE = `
  local function text(v)
    if type(v) == 'userdata' then
      local ok, id = pcall(function() return v:id() end)
      if ok then return 'message to ' .. tostring(v:recipient()) end
      local ok, meta = pcall(function() return v:get_meta('reception_protocol') end)
      if ok then return 'connection ' .. tostring(meta) end
      return tostring(v)
    end
    return v
  end
  local function note(...)
    local all = {}
    for i = 1, select('#', ...) do
      local v = text((select(i, ...)))
      all[i] = v == nil and 'nil' or v
    end
    kumo.log_info('NOTE' .. kumo.serde.json_encode(all))
  end
`;

/** The whole way of mail, from the socket to the destination, under a policy that the real engine runs. */
export async function mailPath(
  source: string,
  setup: Pick<SmtpSessionSetup, 'options' | 'relays' | 'offersTls'> = {},
  from: { content: MemorySpoolContent; host: ReturnType<typeof notingHost> } | undefined = undefined,
): Promise<MailPath> {
  const host = from?.host ?? notingHost();
  Object.assign(host, { throttles: new LocalThrottles(host.clock) });
  const { engine } = await policy(`${PRELUDE.replaceAll('\n', ' ')} ${source}`, {
    modules: luaModules,
    objects: luaObjects,
    events,
    host,
  });
  const rooms = mailRooms(engine, from?.content, host.clock);
  const server = new TestServer({
    ...setup,
    events: engine,
    clock: host.clock,
    receive: (transaction) => rooms.reception.receive(transaction),
  });
  return {
    rooms,
    get noted() {
      return host.told
        .filter(({ text }) => text.includes('NOTE['))
        .map(({ text }) => JSON.parse(text.slice(text.indexOf('NOTE[') + 4)) as unknown[]);
    },
    said: () => [...host.told.map(({ text }) => text), ...rooms.said, ...server.complaints].join('\n'),
    connect: () => server.connect(),
    advance: (seconds) => host.clock.advance(seconds * 1000),
    restart: async (next) => {
      await rooms.queues.stop();
      await rooms.ready.stop();
      host.told.length = 0;
      return mailPath(next, setup, { content: rooms.spool.content, host });
    },
  };
}

/** Sends one message and says what came of it. */
export async function send(
  path: MailPath,
  recipients = ['user@dest.example'],
  expected = '250',
): Promise<void> {
  const client = path.connect();
  await client.expect('220');
  await client.ehlo();
  await client.mailFrom('sender@source.example');
  for (const recipient of recipients) await client.rcptTo(recipient);
  await client.data('Subject: x\r\n\r\nhello\r\n', expected);
}
