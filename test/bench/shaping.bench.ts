/**
 * Shaping files: loading 2,000 domains whose MX the resolver knows, with the longest time that the event loop is held
 * up meanwhile, and resolving a path, kept and not, by itself and through policy. Goals: a load <= 300 ms, a path that
 * is kept <= 20 us, one that is not <= 200 us. Run: node test/bench/shaping.bench.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { luaModules, luaObjects } from '../../src/api/lua/index.ts';
import { systemClock } from '../../src/io/clock/index.ts';
import { buildResolver } from '../../src/io/dns/index.ts';
import { nextTurn } from '../../src/io/shaping/index.ts';
import { createPolicyEngine } from '../../src/lua/index.ts';
import { parseOptions } from '../../src/model/define/index.ts';
import { events } from '../../src/model/events/index.ts';
import { resolveMx } from '../../src/model/index.ts';
import { budgetOptions, configureResolverOptions } from '../../src/model/options/index.ts';
import { loadShaping, ShapingFile } from '../../src/model/shaping/index.ts';
import { notingHost } from '../api/lua/kit.ts';
import { FakeDnsServer } from '../kit/dns-server.ts';

const DOMAINS = 2000;
const ROUNDS = 7;
const NEW_DOMAINS = 300 * ROUNDS;
const domainOf = (n: number): string => `d${n}.example`;
/** In DNS, and in no file. */
const newDomainOf = (n: number): string => `n${n}.example`;
const siteOf = (n: number): string => `mx.d${n}.example`;

function shapingText(): string {
  const lines = [
    '["default"]',
    'connection_limit = 10',
    'idle_timeout = "60s"',
    'max_message_rate = "100/s"',
  ];
  for (let n = 0; n < 10; n++) {
    lines.push(`[provider.p${n}]`, `match = [{MXSuffix = ".p${n}.net"}, {DomainSuffix = ".p${n}.org"}]`);
    lines.push('provider_connection_limit = 20');
    for (const pattern of ['try (again )?later', 'temporarily deferred', 'too many', `p${n} says no`])
      lines.push(
        `[[provider.p${n}.automation]]`,
        `regex = "${pattern}"`,
        'action = "Suspend"',
        'duration = "1h"',
      );
  }
  for (let n = 0; n < DOMAINS; n++) {
    lines.push(`["${domainOf(n)}"]`, `max_message_rate = "${n + 1}/s"`, 'connection_limit = 3');
    lines.push(`["${domainOf(n)}".sources."ip-1"]`, 'connection_limit = 2');
  }
  return `${lines.join('\n')}\n`;
}

/** Answers every MX with a host of the domain, for an hour. */
async function startDns(): Promise<FakeDnsServer> {
  return FakeDnsServer.start(({ question: { name, type } }) => {
    if (type !== 'MX') return { rcode: 'NXDOMAIN' };
    return { answers: [{ name, type, ttl: 3600, data: { preference: 10, exchange: `mx.${name}` } }] };
  });
}

/** CPU of this thread, ms: what counts on a machine that does other things too. */
const cpu = (): number => systemClock.cpu?.() ?? 0;

/** Runs work, and tells how long it took, its CPU, and the longest time between two turns of the event loop, ms. */
async function watched<T>(
  work: () => Promise<T>,
): Promise<{ result: T; took: number; spent: number; hold: number }> {
  let hold = 0;
  let last = performance.now();
  let isOver = false;
  const turn = (): void => {
    const now = performance.now();
    hold = Math.max(hold, now - last);
    last = now;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await nextTurn();
  const start = performance.now();
  const before = cpu();
  const result = await work();
  const took = performance.now() - start;
  const spent = cpu() - before;
  isOver = true;
  await nextTurn();
  return { result, took, spent, hold };
}

/** us for each call: the best of some rounds. */
async function perCall(calls: number, call: (n: number) => unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let n = 0; n < calls; n++) {
      const answer = call(n);
      if (answer instanceof Promise) await answer;
    }
    best = Math.min(best, ((performance.now() - start) * 1000) / calls);
  }
  return best;
}

function tell(what: string, figure: number, unit: string, goal?: number): void {
  const verdict = goal === undefined ? '' : `, goal ${goal}: ${figure <= goal ? 'held' : 'MISSED'}`;
  process.stdout.write(
    `${what.padEnd(52)} ${figure.toFixed(figure < 10 ? 2 : 0).padStart(6)} ${unit}${verdict}\n`,
  );
}

const dns = await startDns();
const directory = mkdtempSync(join(tmpdir(), 'moonpost-shaping-'));
try {
  const options = parseOptions(configureResolverOptions, { name_servers: [`127.0.0.1:${dns.port}`] });
  const resolver = buildResolver({ kind: 'servers', options }, systemClock);
  const text = shapingText();
  const world = {
    resolveMx: (domain: string) => resolveMx(domain, resolver),
    now: () => systemClock.monotonic(),
    pause: nextTurn,
  };
  const load = async () =>
    (await loadShaping([{ file: new ShapingFile('shaping.toml', text) }], {}, world)).shaping;
  for (let n = 0; n < DOMAINS; n++) await resolver.mx(domainOf(n));
  for (let n = 0; n < NEW_DOMAINS; n++) await resolver.mx(newDomainOf(n));

  const first = await watched(load);
  const later: (typeof first)[] = [];
  for (let round = 0; round < ROUNDS; round++) later.push(await watched(load));
  later.sort((a, b) => a.took - b.took);
  const median = later[Math.floor(ROUNDS / 2)]!;
  tell(`load ${DOMAINS} domains, ${Math.round(text.length / 1024)} KB, first`, first.took, 'ms', 300);
  tell('  CPU', first.spent, 'ms');
  tell('  longest hold of the event loop', first.hold, 'ms');
  tell(`load again, median of ${ROUNDS}`, median.took, 'ms', 300);
  tell('  CPU', median.spent, 'ms');
  tell('  longest hold of the event loop', median.hold, 'ms');

  const shaping = first.result;
  const site = siteOf(7);
  await shaping.pathParameters(domainOf(7), 'ip-1', site);
  tell(
    'a path that is kept',
    await perCall(20_000, () => shaping.pathParameters(domainOf(7), 'ip-1', site)),
    'us',
    20,
  );
  let fresh = 0;
  const unseen = () => `source ${fresh++}`;
  tell(
    'a path that is not, of a known domain',
    await perCall(500, (n) => shaping.pathParameters(domainOf(n), unseen(), siteOf(n))),
    'us',
    200,
  );
  let unasked = 0;
  const ofNew = () => shaping.pathParameters(newDomainOf(unasked++), 'ip-1', site);
  tell('a path of a domain that was not asked for', await perCall(NEW_DOMAINS / ROUNDS, ofNew), 'us', 200);

  const record = {
    domain: domainOf(7),
    site,
    response: '450 4.7.1 please come back another day, we are busy',
    isInternal: false,
  };
  tell('rules for a reply that meets none', await perCall(5000, () => shaping.matchRules(record)), 'us');

  const file = join(directory, 'shaping.toml');
  writeFileSync(file, text);
  const policy = join(directory, 'policy.lua');
  writeFileSync(
    policy,
    `local kumo = require 'kumo'
local load = kumo.memoize(function(files) return kumo.shaping.load(files) end, { name = 'shaping', ttl = '1 hour', capacity = 4 })
kumo.on('get_egress_path_config', function(domain, source, site)
  return kumo.make_egress_path(load({ '${file}' }):get_egress_path_config(domain, source, site))
end)`,
  );
  const host = Object.assign(notingHost(), { clock: systemClock, resolver });
  const budget = { ...parseOptions(budgetOptions, {}), call_time: 60_000, cpu_time: 60_000 };
  const { engine } = await createPolicyEngine({
    file: policy,
    modules: luaModules,
    objects: luaObjects,
    events,
    host,
    helpersDir: directory,
    budget,
  });
  const fire = () => engine.fire('get_egress_path_config', [domainOf(7), 'ip-1', site]);
  const answer = await fire();
  if (answer.kind !== 'values') throw new Error(JSON.stringify(answer));
  tell('get_egress_path_config in policy, kept', await perCall(2000, fire), 'us');
  engine.close();
} finally {
  rmSync(directory, { recursive: true });
  await dns.stop();
}
