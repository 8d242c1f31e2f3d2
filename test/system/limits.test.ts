import { afterEach, describe, expect, test, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterEach(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** When the first message was offered, as performance.now() gives it. */
let start = 0;

/** Starts two shards and gives both mail: over so many connections that the kernel cannot miss one. */
async function flood(policy: string, count: number): Promise<Moonpost> {
  const server = await Moonpost.start({ policy, shards: 2 });
  start = performance.now();
  const { accepted } = await inject(server.smtp, { count, sessions: 24, size: 100 });
  expect(accepted.size).toBe(count);
  return server;
}

/**
 * At no moment have more arrived than `burst` and one more at once, and one for each interval since the first was
 * offered. A busy machine delays arrivals and then delivers several together; that must not fail the test, and being
 * early must.
 */
function expectNeverAhead(times: readonly number[], interval: number, burst = 1): void {
  times.forEach((time, index) => {
    expect(time - start).toBeGreaterThan((index - burst) * interval * 0.98);
  });
}

describe('across two shards', () => {
  test('connection_limit = 1: both drain, and never two connections at once', async () => {
    const drop = await MailDrop.start();
    await flood(initLua() + relayLua(drop.port, { path: 'connection_limit = 1' }), 300);
    await drop.until(300);
    expect(drop.mostOpen).toBe(1);
    // Both took turns: one shard alone would have needed one connection.
    expect(drop.connections.length).toBeGreaterThan(1);
  });

  test('connection_limit = 1 and a long idle_timeout: the other shard need not wait for it', async () => {
    const drop = await MailDrop.start();
    // Far longer than the test has patience.
    const path = "connection_limit = 1, idle_timeout = '10m'";
    await flood(initLua() + relayLua(drop.port, { path }), 60);
    await drop.until(60);
    expect(drop.mostOpen).toBe(1);
  });

  test('connection_limit = 3 is reached and not passed', async () => {
    // Nobody gets an answer before there are three, however fast one alone would be.
    const drop = await MailDrop.start({
      hold: () => eventually(() => (drop.mostOpen >= 3 ? true : undefined)),
    });
    await flood(initLua() + relayLua(drop.port, { path: 'connection_limit = 3' }), 300);
    await drop.until(300);
    expect(drop.mostOpen).toBe(3);
  });

  test('max_message_rate of a path holds for both together', async () => {
    const drop = await MailDrop.start();
    const path = "max_message_rate = '40/s'";
    await flood(initLua() + relayLua(drop.port, { path }), 160);
    await drop.until(160);
    // GCRA lets a burst of 40 pass and then 40 each second: the other 120 take 3 s.
    const times = drop.messages.map(({ at }) => at);
    expectNeverAhead(times, 25, 40);
  });

  test('max_message_rate of a queue holds for both together', async () => {
    const drop = await MailDrop.start();
    const queue = "max_message_rate = '40/s,max_burst=1'";
    await flood(initLua() + relayLua(drop.port, { queue }), 100);
    await drop.until(100);
    const times = drop.messages.map(({ at }) => at);
    // Two at once, then 98 intervals of 25 ms.
    expectNeverAhead(times, 25);
  });

  test('max_connection_rate and max_deliveries_per_connection', async () => {
    const drop = await MailDrop.start();
    const path =
      "max_connection_rate = '4/s,max_burst=1', max_deliveries_per_connection = 5, connection_limit = 2";
    await flood(initLua() + relayLua(drop.port, { path }), 60);
    await drop.until(60);
    const each = new Map<number, number>();
    for (const { connection } of drop.messages) each.set(connection, (each.get(connection) ?? 0) + 1);
    expect(Math.max(...each.values())).toBe(5);
    expect(drop.connections.length).toBeGreaterThanOrEqual(12);
    // Two at once (max_burst 1 beside the one that always may), then 250 ms apart.
    expectNeverAhead(drop.connections, 250);
    expect(drop.mostOpen).toBeLessThanOrEqual(2);
  });

  test('max_ready divides among the shards, and all is delivered', async () => {
    const drop = await MailDrop.start();
    const path = 'max_ready = 2, connection_limit = 1';
    const server = await flood(initLua() + relayLua(drop.port, { path }), 200);
    await drop.until(200);
    expect(await server.stop()).toBe(0);
    expect(server.counts().Delivery).toBe(200);
    expect(drop.messages).toHaveLength(200);
    expect(drop.mostOpen).toBe(1);
  });
});

describe('two sources of a pool, across two shards', () => {
  /** Sources `often` and `seldom`, 3 to 1. */
  const pool = `
kumo.on('get_egress_pool', function(name)
  return kumo.make_egress_pool {
    name = name, entries = { { name = 'often', weight = 3 }, { name = 'seldom', weight = 1 } },
  }
end)
kumo.on('get_egress_source', function(name) return kumo.make_egress_source { name = name } end)
`;
  const policy = (port: number, path: string): string =>
    initLua() + relayLua(port, { queue: "egress_pool = 'both'", path }) + pool;
  const bySource = (server: Moonpost, name: string): number =>
    server.records().filter(({ type, egress_source }) => type === 'Delivery' && egress_source === name)
      .length;

  test('additional_connection_limits hold over both; weights hold', async () => {
    const drop = await MailDrop.start();
    const path = 'additional_connection_limits = { everything = 2 }';
    const server = await flood(policy(drop.port, path), 200);
    await drop.until(200);
    expect(await server.stop()).toBe(0);
    expect(drop.mostOpen).toBeLessThanOrEqual(2);
    expect(server.counts().Delivery).toBe(200);
    // Each shard counts its own turns.
    expect(Math.abs(bySource(server, 'often') - 150)).toBeLessThanOrEqual(4);
  });

  test('source_selection_rate of one sends the rest through the other', async () => {
    const drop = await MailDrop.start();
    const path = "source_selection_rate = source == 'seldom' and '10/day' or nil";
    const lua = policy(drop.port, path).replace(
      "'get_egress_path_config', function()",
      "'get_egress_path_config', function(_, source)",
    );
    const server = await flood(lua, 120);
    await drop.until(120);
    expect(await server.stop()).toBe(0);
    expect(bySource(server, 'seldom')).toBe(10);
    expect(bySource(server, 'often')).toBe(110);
  });
});

test('an idle connection is kept for idle_timeout and then closed with QUIT', async () => {
  const drop = await MailDrop.start();
  const path = "connection_limit = 1, idle_timeout = '4s'";
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port, { path }) });
  await inject(server.smtp, { count: 2, sessions: 1 });
  await drop.until(2);
  const last = drop.messages.at(-1)!.at;
  expect(drop.connections).toHaveLength(1);
  await drop.untilClosed();
  expect(performance.now() - last).toBeGreaterThan(3900);
  await inject(server.smtp, { count: 1, first: 2 });
  await drop.until(3);
  expect(drop.connections).toHaveLength(2);
});
