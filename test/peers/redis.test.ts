import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LocalThrottles, RedisNodes, RedisThrottles } from '../../src/io/limits/index.ts';
import { connectRedis, type RedisClient, type RedisPort, RedisScript } from '../../src/io/redis/index.ts';
import type { Lease, ThrottleSpec } from '../../src/model/index.ts';
import { limitOf } from '../contract/leases.ts';
import { spec, throttlesContract } from '../contract/throttles.ts';
import { eventually } from '../kit/eventually.ts';
import type { FakeClock } from '../kit/fake-clock.ts';
import { RedisServer } from '../kit/redis-server.ts';
import { freePort } from './postfix-tools.ts';
import { closeNodes, startNode, type TestNode } from './redis-nodes.ts';

let server: RedisServer;
let client: RedisClient;

beforeAll(async () => {
  server = await RedisServer.start(await freePort());
});
beforeEach(async () => {
  client = await connectClient();
  await client.send(undefined, ['FLUSHALL']);
});
afterEach(() => {
  closeNodes();
  client.destroy();
});
afterAll(() => RedisServer.killAll());

/** Redis with the time of a fake clock, and with keys of its own. Keys do not expire, since their time is real. */
function onClock(clock: FakeClock, prefix: string): RedisPort {
  const fake = ({ text }: RedisScript): RedisScript =>
    new RedisScript(
      text
        .replace("redis.call('TIME')", '{ ARGV[#ARGV], 0 }')
        .replace(/, 'PX', math\.max\(1, math\.ceil\(ahead \* 1000\)\)/, ''),
    );
  const send: RedisPort['send'] = (key, args) => client.send(key, args);
  return {
    isUp: true,
    send,
    async run(script, key, args) {
      const { text } = fake(script);
      expect(text).not.toMatch(/TIME|PX/);
      return send(key, ['EVAL', text, '1', prefix + key, ...args, String(clock.now() / 1000)]);
    },
    reportFailure: (why) => {
      throw new Error(why);
    },
  };
}

function connectClient({ url } = server): Promise<RedisClient> {
  const endpoint = { node: url, cluster: undefined, username: undefined, password: undefined };
  return connectRedis({ ...endpoint, read_from_replicas: false, connect_timeout: 10_000 }, () => {});
}

let made = 0;
throttlesContract('RedisThrottles on a real server', (clock) => {
  const link = onClock(clock, `contract${made++} `);
  const nodes = new RedisNodes(clock, 'node', undefined);
  return new RedisThrottles({ link, nodes, clock, local: new LocalThrottles(clock), hasCell: () => false });
});

/** Takes what it can get for `duration` ms; gives when each was admitted. */
async function drain(
  node: TestNode,
  key: string,
  limit: ThrottleSpec,
  until: () => boolean,
): Promise<number[]> {
  const admitted: number[] = [];
  while (!until()) {
    const verdict = await node.throttles.admit(key, limit);
    if (!verdict.throttled) admitted.push(performance.now());
    else await pause(Math.min(verdict.retryAfter!, 50));
  }
  return admitted;
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** How far the fullest window is above what one bucket and the rate allow, as a factor. */
function worstWindow(times: readonly number[], limit: ThrottleSpec): number {
  const sorted = [...times].sort((a, b) => a - b);
  let worst = 0;
  for (let from = 0; from < sorted.length; from++) {
    for (let to = from; to < sorted.length; to++) {
      const allowed = limit.burst + 1 + ((sorted[to]! - sorted[from]!) * limit.limit) / limit.period;
      worst = Math.max(worst, (to - from + 1) / allowed);
    }
  }
  return worst;
}

describe('throttles that two nodes share', () => {
  test('have one budget, and one of each node where they are local', async () => {
    const [a, b] = [await startNode('a', server.url), await startNode('b', server.url)];
    const hourly = spec(10, 3_600_000);
    let admitted = 0;
    for (let n = 0; n < 10; n++) {
      for (const node of [a, b]) if (!(await node.throttles.admit('key', hourly)).throttled) admitted++;
    }
    expect(admitted).toBe(10);
    expect(String(await client.send('key:10:10:3600', ['GET', 'key:10:10:3600']))).toMatch(/^\d{10}\.\d+$/);
    const own = { ...hourly, local: true };
    for (const node of [a, b]) expect((await node.throttles.admit('own', own)).remaining).toBe(9);
  });

  test('belong to the nodes that are there: one that ends leaves its part to the others', async () => {
    const [a, b] = [await startNode('a', server.url), await startNode('b', server.url)];
    await knows(a, 2);
    b.close();
    await knows(a, 1);
  });

  test('keep to the limit while Redis freezes, thaws, dies and comes back', async () => {
    const [a, b] = [await startNode('a', server.url), await startNode('b', server.url)];
    await Promise.all([a, b].map((node) => knows(node, 2)));
    const limit = spec(100, 1000, 20);
    let over = false;
    const draining = [a, b].map((node) => drain(node, 'key', limit, () => over));
    const phases: [string, number][] = [];
    const phase = async (name: string, ms: number): Promise<void> => {
      phases.push([name, performance.now()]);
      await pause(ms);
    };
    await phase('up', 1000);
    server.freeze();
    await phase('frozen', 4000);
    server.thaw();
    await eventually(() => (a.isUp && b.isUp ? true : undefined));
    await phase('thawed', 2000);
    await server.kill();
    await phase('dead', 3000);
    await server.restart();
    await eventually(() => (a.isUp && b.isUp ? true : undefined));
    await phase('restarted', 2000);
    phases.push(['end', performance.now()]);
    over = true;
    const admitted = await Promise.all(draining);
    const all = admitted.flat();
    expect(worstWindow(all, limit)).toBeLessThanOrEqual(1.1);
    for (let n = 0; n + 1 < phases.length; n++) {
      const [[name, from], [, to]] = [phases[n]!, phases[n + 1]!];
      for (const times of admitted) {
        expect(times.filter((time) => time >= from && time < to).length, name).toBeGreaterThan(0);
      }
    }
    for (const { said } of [a, b]) {
      const levels = said.map((line) => line.split(' ', 1)[0]);
      // Twice; more often only where this machine was too busy to answer in a second.
      expect(levels.length).toBeGreaterThanOrEqual(4);
      expect(levels).toEqual(levels.map((_, index) => (index % 2 === 0 ? 'WARN' : 'INFO')));
    }
  });
});

describe('connections that two nodes share', () => {
  const limit = limitOf(10);

  /** Takes as many slots as there are. */
  async function takeAll(node: TestNode): Promise<Lease[]> {
    const leases: Lease[] = [];
    for (;;) {
      const lease = await node.leases.tryAcquire('key', limit);
      if (lease === undefined) return leases;
      leases.push(lease);
    }
  }
  const members = async (): Promise<number> => Number(await client.send('key', ['ZCARD', 'key']));

  test('have one limit; who waits gets what the other gives back', async () => {
    const [a, b] = [await startNode('a', server.url), await startNode('b', server.url)];
    const held = await takeAll(a);
    expect([held.length, (await takeAll(b)).length, await members()]).toEqual([10, 0, 10]);
    const [, score] = (await client.send('key', ['ZRANGE', 'key', '0', '0', 'WITHSCORES'])) as Buffer[];
    const left = Number(String(score)) - Date.now() / 1000;
    expect(left).toBeGreaterThan(20);
    expect(left).toBeLessThan(62);
    expect(Number(await client.send('key', ['TTL', 'key']))).toBeGreaterThan(20);
    const got = new Promise((resolve) => {
      const again = async (): Promise<void> => {
        const lease = await b.leases.tryAcquire('key', limit);
        if (lease === undefined) b.leases.want('key', () => void again());
        else resolve(lease);
      };
      void again();
    });
    held[0]!.release();
    await got;
    expect(await members()).toBe(10);
    expect(held.slice(1).some((lease) => lease.wanted)).toBe(false);
  });

  test('are parted while Redis is away and counted again when it is back', async () => {
    const [a, b] = [await startNode('a', server.url), await startNode('b', server.url)];
    await Promise.all([a, b].map((node) => knows(node, 2)));
    const ofA = await takeAll(a);
    await server.kill();
    await eventually(() => (a.isUp || b.isUp ? undefined : true));
    expect(await takeAll(b)).toEqual([]);
    // Each connection beyond the part ends after its message.
    for (const lease of [...ofA]) {
      if (!lease.wanted) continue;
      lease.release();
      ofA.splice(ofA.indexOf(lease), 1);
    }
    expect(ofA).toHaveLength(5);
    const ofB = await eventually(async () => {
      const taken = await takeAll(b);
      return taken.length > 0 ? taken : undefined;
    });
    expect([ofB.length, (await takeAll(a)).length]).toEqual([5, 0]);
    await server.restart();
    client = await connectClient();
    await eventually(() => (a.isUp && b.isUp ? true : undefined));
    await eventually(async () => ((await members()) === 10 ? true : undefined));
    expect([...ofA, ...ofB].some((lease) => lease.wanted)).toBe(false);
    expect([await takeAll(a), await takeAll(b)]).toEqual([[], []]);
    for (const lease of [...ofA, ...ofB]) lease.release();
    await eventually(async () => ((await members()) === 0 ? true : undefined));
  });
});

test('a cluster serves as well; who is not there in time is away', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'redis-cluster-'));
  try {
    const members: RedisServer[] = [];
    const buses: string[] = [];
    for (const [from, to] of [
      ['0', '8000'],
      ['8001', '16383'],
    ] as const) {
      const port = await freePort();
      const bus = String(await freePort());
      const files = ['--dir', directory, '--cluster-config-file', `nodes-${port}.conf`];
      const member = await RedisServer.start(
        port,
        '--cluster-enabled',
        'yes',
        '--cluster-port',
        bus,
        ...files,
      );
      members.push(member);
      buses.push(bus);
      const direct = await connectClient(member);
      await direct.send(undefined, ['CLUSTER', 'ADDSLOTSRANGE', from, to]);
      const [first] = members;
      if (member !== first)
        await direct.send(undefined, ['CLUSTER', 'MEET', '127.0.0.1', String(first!.port), buses[0]!]);
      direct.destroy();
    }
    for (const member of members) {
      const direct = await connectClient(member);
      const isWhole = async (): Promise<true | undefined> =>
        /cluster_state:ok[\s\S]*cluster_known_nodes:2/.test(
          String(await direct.send(undefined, ['CLUSTER', 'INFO'])),
        )
          ? true
          : undefined;
      await eventually(isWhole);
      direct.destroy();
    }
    const urls = members.map(({ url }) => url);
    const [a, b] = [
      await startNode('a', '', { node: urls }),
      await startNode('b', urls[1]!, { cluster: true }),
    ];
    await eventually(() => (a.isUp && b.isUp ? true : undefined));
    for (let key = 0; key < 20; key++) {
      const verdicts = [];
      for (const node of [a, b, a, b])
        verdicts.push(await node.throttles.admit(`key${key}`, spec(2, 3_600_000)));
      expect(verdicts.map(({ throttled }) => throttled)).toEqual([false, false, true, true]);
      const leases = [];
      for (const node of [a, b]) leases.push(await node.leases.tryAcquire(`limit${key}`, limitOf(1)));
      expect(leases.map((lease) => lease !== undefined)).toEqual([true, false]);
    }
    await Promise.all(members.map((member) => member.kill()));
    await eventually(() => (a.isUp || b.isUp ? undefined : true));
    expect((await a.throttles.admit('key', spec(2, 3_600_000))).throttled).toBe(true);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** Waits until the node has seen so many nodes, itself included; each shows itself every few seconds. */
async function knows(node: TestNode, nodes: number): Promise<void> {
  await eventually(() => (node.nodes === nodes ? true : undefined));
}
