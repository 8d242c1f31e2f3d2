/**
 * What a receiver of log records that is slow or away does to the mail: the same messages go through a relay whose webhook
 * answers at once, after a long time, and not at all. Records are retried after a minute, as they are by default. Goals: mail is less than 5 % slower than beside a webhook that answers at
 * once, and every record arrives in the end. Run: node test/bench/webhook.bench.ts [MESSAGES] [ROUNDS]
 */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';

const messages = Number(process.argv[2] ?? 10_000);
const rounds = Number(process.argv[3] ?? 3);
const GOAL = 0.05;
const PATIENCE = 600_000;

type Manner = 'at once' | 'slow' | 'away';

/** Takes records as `manner` says. */
class Receiver {
  manner: Manner = 'at once';
  /** Type and id of each record, with how often it came. */
  readonly records = new Map<string, number>();
  readonly #server: Server;
  readonly #held = new Set<ServerResponse>();

  constructor() {
    this.#server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => this.#take(Buffer.concat(pieces).toString(), response));
    });
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on everything is taken, what was held back included. */
  recover(): void {
    this.manner = 'at once';
    for (const response of this.#held) response.writeHead(503).end();
    this.#held.clear();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  #take(text: string, response: ServerResponse): void {
    if (this.manner === 'away') response.destroy();
    else if (this.manner === 'slow') this.#held.add(response.on('close', () => this.#held.delete(response)));
    else {
      for (const record of [JSON.parse(text)].flat() as { type: string; id: string }[]) {
        const key = `${record.type} ${record.id}`;
        this.records.set(key, (this.records.get(key) ?? 0) + 1);
      }
      response.writeHead(200).end();
    }
  }
}

const policy = (mail: number, web: number): string => `${initLua()}
local log_hooks = require 'policy-extras.log_hooks'
log_hooks:new_json {
  name = 'web',
  url = 'http://127.0.0.1:${web}/',
  batch_size = 100,
}
kumo.on('get_queue_config', function()
  return kumo.make_queue_config {
    protocol = { smtp = { mx_list = { { name = 'sink.test', addr = '127.0.0.1:${mail}' } } } },
  }
end)
kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path { prohibited_hosts = {} }
end)`;

/** Messages a second from the first that is sent to the last that is delivered. */
async function measure(manner: Manner): Promise<number> {
  const drop = await MailDrop.start();
  const receiver = new Receiver();
  receiver.manner = manner;
  const server = await Moonpost.start({ policy: policy(drop.port, await receiver.start()), shards: 1 });
  await inject(server.smtp, { count: 500, size: 10_240 });
  await eventually(() => drop.messages.length >= 500 || undefined, { patience: PATIENCE });
  const start = performance.now();
  await inject(server.smtp, { count: messages, first: 500, size: 10_240, sessions: 20 });
  const target = messages + 500;
  await eventually(() => drop.messages.length >= target || undefined, { patience: PATIENCE });
  const rate = (messages * 1000) / (performance.now() - start);
  receiver.recover();
  await eventually(() => receiver.records.size >= 2 * target || undefined, {
    patience: PATIENCE,
    what: () => `${receiver.records.size} of ${2 * target} records came`,
  });
  const again = [...receiver.records.values()].filter((times) => times > 1).length;
  console.log(
    `${manner.padEnd(8)} ${rate.toFixed(0).padStart(6)} messages/s; ${receiver.records.size} of ${2 * target} records, ${again} of them more than once`,
  );
  await server.kill();
  await Promise.all([drop.stop(), receiver.stop()]);
  return rate;
}

const rates: Record<Manner, number[]> = { 'at once': [], slow: [], away: [] };
for (let round = 0; round < rounds; round++) {
  for (const manner of Object.keys(rates) as Manner[]) rates[manner].push(await measure(manner));
}
const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
const calm = median(rates['at once']);
for (const manner of ['slow', 'away'] as const) {
  const loss = 1 - median(rates[manner]) / calm;
  console.log(
    `beside a receiver that is ${manner}: ${(loss * 100).toFixed(1)} % less mail: ${loss < GOAL ? 'held' : 'MISSED'}`,
  );
}
await Moonpost.disposeAll();
