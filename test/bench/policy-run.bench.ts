/**
 * What policy costs a shard, with the real modules: an everyday smtp_server_message_received of ten API calls
 * (goal 35 us), an event without a handler (goal 0.2 us), loading a policy of 1,000 lines (goal 60 ms), and a further
 * Lua state of it. Best of several rounds, since the machine is shared. Run: node test/bench/policy-run.bench.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { luaModules, luaObjects } from '../../src/api/lua/index.ts';
import { systemClock } from '../../src/io/clock/index.ts';
import { createPolicyEngine, type PolicyEngine } from '../../src/lua/index.ts';
import { Message, type PolicyHost, type PolicyResult } from '../../src/model/index.ts';

const everyday = `
local kumo = require 'kumo'
kumo.on('smtp_server_message_received', function(msg)
  local domain = msg:from_header().domain:lower()
  if msg:get_first_named_header_value 'X-Campaign' then
    msg:set_meta('campaign', msg:get_first_named_header_value 'X-Campaign')
  end
  msg:set_meta('tenant', domain)
  msg:remove_all_named_headers 'X-Campaign'
  msg:prepend_header('X-Tenant', msg:get_meta 'tenant')
  local recipient = tostring(msg:recipient())
  if recipient:match '@example%.org$' and msg:sender().domain ~= 'blocked.example' then
    msg:set_meta('queue', string.format('%s@%s', msg:get_meta 'campaign' or 'none', domain))
  end
end)
`;

/** Twenty functions of fifty lines, as policies are: tables, branches, calls. */
function longPolicy(): string {
  const lines = [everyday];
  for (let part = 0; part < 20; part++) {
    lines.push(`local settings_${part} = {`);
    for (let row = 0; row < 20; row++)
      lines.push(`  ['d${row}.example'] = { pool = 'p${row}', limit = ${row} },`);
    lines.push('}', `local function choose_${part}(domain, campaign)`);
    for (let row = 0; row < 8; row++) {
      lines.push(
        `  if domain == 'd${row}.example' and campaign:match '^c${row}' then`,
        `    return settings_${part}[domain].pool .. '-' .. campaign:lower()`,
        '  end',
      );
    }
    lines.push('  return nil', 'end', `kumo.on('event_${part}', choose_${part})`);
  }
  return lines.join('\n');
}

const directory = mkdtempSync(join(tmpdir(), 'moonpost-bench-'));
const silent = () => {};
const host = {
  clock: systemClock,
  diagnostics: { error: console.error, warn: silent, info: silent, debug: silent },
  validating: false,
  random: Math.random,
  once: () => true,
  declare: silent,
} as unknown as PolicyHost;

async function engineOf(name: string, text: string): Promise<PolicyEngine> {
  const file = join(directory, name);
  writeFileSync(file, text);
  const parts = { modules: luaModules, objects: luaObjects, events: [], host, helpersDir: directory };
  return (await createPolicyEngine({ ...parts, file, print: silent })).engine;
}

function best(rounds: number, times: number, work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let i = 0; i < times; i++) work();
    least = Math.min(least, (performance.now() - start) / times);
  }
  return least;
}

const row = (name: string, value: number, unit: string) =>
  console.log(`${name.padEnd(44)} ${value.toFixed(3).padStart(9)} ${unit}`);

const begin = performance.now();
(await engineOf('empty.lua', '')).close();
row('the VM, and a policy without a line', performance.now() - begin, 'ms');
const text = longPolicy();
const start = performance.now();
const long = await engineOf('long.lua', text);
row(`load ${text.split('\n').length} lines, cold code`, performance.now() - start, 'ms');
let warm = Number.POSITIVE_INFINITY;
for (let round = 0; round < 5; round++) {
  const begun = performance.now();
  (await engineOf('long.lua', text)).close();
  warm = Math.min(warm, performance.now() - begun);
}
row('load again, as a new generation', warm, 'ms');

const engine = await engineOf('everyday.lua', everyday);
const body = Buffer.from(
  'From: Ada <ada@Sender.Example>\r\nTo: b@example.org\r\nSubject: Hello\r\nX-Campaign: spring\r\n\r\nHello\r\n',
);
const address = (email: string) => ({ email, local: email.split('@')[0]!, domain: email.split('@')[1]! });
const message = () =>
  new Message({
    id: '0123456789abcdef0123456789abcdef',
    sender: address('ada@sender.example') as never,
    recipients: [address('b@example.org') as never],
    meta: {},
    body,
  });
const probe = (await engine.fire('smtp_server_message_received', [message()])) as PolicyResult;
if (probe.kind !== 'values') throw new Error(JSON.stringify(probe));
const made = best(9, 5000, () => void message());
const handled = best(9, 5000, () => void engine.fire('smtp_server_message_received', [message()]));
row('smtp_server_message_received, 10 API calls', (handled - made) * 1000, 'us');
row('event without a handler', best(9, 200_000, () => void engine.fire('smtp_server_ehlo', [])) * 1000, 'us');
for (const each of [long, engine]) each.close();
rmSync(directory, { recursive: true });
