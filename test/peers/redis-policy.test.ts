import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, launcher, Moonpost, relayLua } from '../kit/moonpost.ts';
import { runPeer } from '../kit/peer.ts';
import { RedisServer } from '../kit/redis-server.ts';
import { sendMail } from '../kit/send-mail.ts';
import { freePort } from './postfix-tools.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start(await freePort(), '--requirepass', 'secret');
});
afterEach(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});
afterAll(() => RedisServer.killAll());

/** Runs Lua with `conn`, and gives what it prints. */
function script(
  lua: string,
  options = `password = 'secret'`,
  prelude = '',
): { code: number | null; output: string; errors: string } {
  const directory = mkdtempSync(join(tmpdir(), 'redis-'));
  try {
    const file = join(directory, 'script.lua');
    const text = `
local kumo = require 'kumo'
local redis = require 'redis' ${prelude}
kumo.on('main', function()
  local conn = redis.open { node = '${redis.url}', ${options} }
  ${lua}
end)`;
    writeFileSync(file, text);
    return runPeer(process.execPath, [launcher, '--policy', file, '--script']);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

describe('the module redis', () => {
  test('gives replies by their kinds, and ends with the script', () => {
    const { output, errors, code } = script(`
  print(conn:query('SET', 'k', 'v'), conn:query('GET', 'k'), conn:query('GET', 'none'))
  print(conn:query('INCRBY', 'n', 41), conn:query('INCR', 'n'))
  print(conn:query('RPUSH', 'l', { 'a', 'b', 3 }), table.concat(conn:query('LRANGE', 'l', 0, -1), ' '))
  conn:query('HSET', 'h', { one = 1 })
  print(table.concat(conn:query('HGETALL', 'h'), '='))
  conn:query('SET', 'bytes', '\\0\\xff\\r\\n')
  print(conn:query('GET', 'bytes') == '\\0\\xff\\r\\n', conn:query('PING'))
  print(conn:query('EVAL', 'return {1, false, {ARGV[1]}}', 0, 'x')[3][1])`);
    expect(errors).toBe('');
    const lines = ['true\tv\tnil', '41\t42', '3\ta b 3', 'one=1', 'true\tPONG', 'x'];
    expect(output.trim().split('\n')).toEqual(lines);
    expect(code).toBe(0);
  });

  test('raises what the server says, with the line of the policy', () => {
    const { errors, code } = script(`conn:query('SET', 'text', 'x') conn:query('INCR', 'text')`);
    expect(errors).toMatch(/script\.lua:6: .*ERR value is not an integer/);
    expect(code).toBe(1);
    expect(script(`conn:query('GET', 'k')`, `password = 'wrong'`).errors).toMatch(/WRONGPASS/);
    expect(script(`conn:query('GET', 'k')`, `paswrd = 'wrong'`).errors).toMatch(/paswrd.*password/);
  });

  test('a command that blocks holds up no other, and ends with its time', () => {
    const open = (more: string): string =>
      `redis.open { node = '${redis.url}', password = 'secret', ${more} }`;
    const { output, errors } = script(
      `
  kumo.spawn_task { event_name = 'later', args = {} }
  print(conn:query('BLPOP', 'queue', 25)[2])
  local hasty = ${open(`response_timeout = '200 ms'`)}
  print(pcall(hasty.query, hasty, 'BLPOP', 'none', 30))
  print(conn:query('PING'))`,
      `password = 'secret', pool_size = 2`,
      `kumo.on('later', function() ${open('pool_size = 2')}:query('RPUSH', 'queue', 'came') end)`,
    );
    expect(errors).toBe('');
    const [first, second, third] = output.trim().split('\n');
    expect([first, third]).toEqual(['came', 'PONG']);
    expect(second).toMatch(/^false\t.*no reply within 200 ms/);
  });
});

const configure = (options: string): string => `kumo.configure_redis_throttles { ${options} }`;

describe('kumo.configure_redis_throttles', () => {
  test('two servers have one rate; mail goes on when Redis dies, and while it is away at the start', async () => {
    const drop = await MailDrop.start();
    const policy =
      initLua(configure(`node = '${redis.url}', password = 'secret', nodes = 2`)) +
      relayLua(drop.port, { queue: `max_message_rate = '5/min',` });
    const servers = [
      await Moonpost.start({ policy, shards: 2 }),
      await Moonpost.start({ policy, shards: 1 }),
    ];
    const envelope = { from: 'a@example.org', to: ['b@dest.example'] };
    for (let n = 0; n < 8; n++) {
      await Promise.all(servers.map(({ smtp }) => sendMail(smtp, envelope, `Subject: ${n}\r\n\r\n`)));
    }
    await eventually(() => (drop.messages.length >= 5 ? true : undefined));
    await redis.kill();
    for (const server of servers) await server.waitFor('is away');
    const third = await Moonpost.start({ policy, shards: 1 });
    expect(third.errors).toMatch(/WARN.*init\.lua:\d+: redis:.*does not answer.*mail starts without it/);
    expect(third.errors).not.toContain('secret');
    // One in 12 s of all; each server has half of it, and the third one too, as long as Redis cannot tell it.
    const before = drop.messages.length;
    await eventually(() => (drop.messages.length > before ? true : undefined));
    await redis.restart();
    for (const server of [...servers, third]) await server.waitFor('is back');
    for (const server of servers) {
      // Once each; more often only where this machine was too busy to answer in a second.
      expect(server.errors.match(/redis: .* is away/g)).toHaveLength(server.errors.match(/is back/g)!.length);
    }
  });

  test.each([
    [`node = 'REDIS', password = 'wrong'`, /init\.lua:\d+: .*WRONGPASS/],
    [`node = 'http://x'`, /init\.lua:\d+: .*'http:\/\/x' begins with none of redis/],
    [`node = 'REDIS', password = 'secret' } kumo.configure_redis_throttles { node = 'REDIS'`, /once only/],
  ])('does not start with { %s }', async (options, said) => {
    const policy = initLua(configure(options.replaceAll('REDIS', redis.url)));
    const server = Moonpost.spawn({ policy });
    expect((await server.exited).code).toBe(1);
    expect(server.errors).toMatch(said);
  });
});
