/**
 * Whether max_message_rate holds: rates from 1/s to 1,000/s at once, measured where the mail arrives, with 1 and 2 shards.
 * Goal: within 2 % over a minute. Run: node test/bench/rate.bench.ts [SECONDS]
 */
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';

const RATES = [1, 10, 100, 1000];
const seconds = Number(process.argv[2] ?? 60);
const GOAL = 0.02;
/** Seconds before the measurement, in which the burst goes and the queues fill. */
const SETTLE = 4;

/** One message at a time passes; so the first second is like every other. */
const policy = (ports: ReadonlyMap<number, number>): string => `${initLua()}
local ports = { ${[...ports].map(([rate, port]) => `['rate-${rate}.example'] = ${port}`).join(', ')} }
kumo.on('get_queue_config', function(domain)
  return kumo.make_queue_config {
    protocol = { smtp = { mx_list = { '[127.0.0.1]:' .. ports[domain] } } },
  }
end)
kumo.on('get_egress_path_config', function(domain)
  return kumo.make_egress_path {
    prohibited_hosts = {},
    max_message_rate = domain:match('%d+') .. '/s',
  }
end)`;

async function measure(shards: number): Promise<void> {
  const drops = new Map<number, MailDrop>();
  for (const rate of RATES) drops.set(rate, await MailDrop.start());
  const ports = new Map([...drops].map(([rate, drop]) => [rate, drop.port]));
  const server = await Moonpost.start({ policy: policy(ports), shards });
  const start = performance.now() + SETTLE * 1000;
  const needed = (rate: number): number => Math.ceil(rate * (seconds + SETTLE) * 1.05) + 10;
  const injected = RATES.map((rate) =>
    inject(server.smtp, {
      count: needed(rate),
      size: 300,
      sessions: rate >= 1000 ? 8 : 2,
      recipient: () => `b@rate-${rate}.example`,
    }),
  );
  await Promise.all(injected);
  const end = start + seconds * 1000;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, end + 500 - performance.now())));
  for (const [rate, drop] of drops) {
    const count = drop.messages.filter(({ at }) => at >= start && at < end).length;
    const off = count / (rate * seconds) - 1;
    const verdict =
      Math.abs(count - rate * seconds) <= Math.max(1, GOAL * rate * seconds) ? 'held' : 'MISSED';
    console.log(
      `${shards} shard(s), ${String(rate).padStart(5)}/s: ${count} in ${seconds} s, ${(off * 100).toFixed(2)} %: ${verdict}`,
    );
  }
  await server.kill();
  await Promise.all([...drops.values()].map((drop) => drop.stop()));
}

for (const shards of [1, 2]) await measure(shards);
await Moonpost.disposeAll();
