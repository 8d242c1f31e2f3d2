/**
 * Injection over HTTP beside mail that comes over SMTP, 10 KB messages into one shard in one run, by the processor time of
 * the server. Goals: over HTTP at least 0.8x as many messages per core, with 1,000 recipients in a request at least twice
 * that many. Run: node test/bench/injection.bench.ts [MESSAGES] [ROUNDS]
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { inject } from '../kit/injector.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';

const messages = Number(process.argv[2] ?? 10_000);
const rounds = Number(process.argv[3] ?? 3);
const SIZE = 10 * 1024;
const SESSIONS = 16;
const RECIPIENTS = 1000;
const GOALS = { single: 0.8, many: 1.6 };
/** Of /proc/PID/stat, per second. */
const TICKS = 100;

/** Everything waits for tomorrow, so that only taking it is measured. */
const policy = `${initLua()}
local function wait(msg)
  msg:set_due(os.date('!%Y-%m-%dT%H:%M:%SZ', os.time() + 86400))
end
kumo.on('smtp_server_message_received', wait)
kumo.on('http_message_generated', wait)
`;

/** Seconds of processor time of the server so far. */
function cpuOf({ pid }: Moonpost): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

const lines = `${'All work and no play makes a dull message, line after line of it.\r\n'.repeat(SIZE / 67)}`;
const whole = `From: sender@example.org\r\nTo: rcpt@dest.example\r\nSubject: bench\r\n\r\n${lines}`;

interface Kind {
  name: string;
  content: unknown;
  /** Per request. */
  recipients: number;
}

const KINDS: Kind[] = [
  { name: 'HTTP, whole messages', content: whole, recipients: 1 },
  { name: 'HTTP, whole messages, a template', content: `${whole}{{ name }}`, recipients: 1 },
  {
    name: 'HTTP, parts, templates',
    content: { text_body: `${lines}{{ name }}`, subject: 'For {{ name }}', from: { email: 'a@example.org' } },
    recipients: 1,
  },
  { name: `HTTP, whole messages, ${RECIPIENTS} recipients`, content: whole, recipients: RECIPIENTS },
  {
    name: `HTTP, whole messages, a template, ${RECIPIENTS} recipients`,
    content: `${whole}{{ name }}`,
    recipients: RECIPIENTS,
  },
];

/** Posts requests over connections that stay. */
async function post(server: Moonpost, { content, recipients }: Kind): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: SESSIONS });
  const list = Array.from({ length: recipients }, (_, number) => ({
    email: `rcpt-${number}@dest.example`,
    name: `Number ${number}`,
  }));
  const body = JSON.stringify({ envelope_sender: 'sender@example.org', content, recipients: list });
  let left = Math.ceil(messages / recipients);
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const answer = JSON.parse(await postOne(server, agent, body)) as { success_count: number };
      if (answer.success_count !== recipients)
        throw new Error(`the server answered ${JSON.stringify(answer)}`);
    }
  };
  await Promise.all(Array.from({ length: SESSIONS }, client));
  agent.destroy();
}

function postOne(server: Moonpost, agent: Agent, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const options = { port: server.http, path: '/api/inject/v1', method: 'POST', agent, headers };
    const sent = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => resolve(text));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

interface Figure {
  /** Messages per second of processor time. */
  perCore: number;
  perSecond: number;
}

async function measure(server: Moonpost, work: () => Promise<unknown>): Promise<Figure> {
  const [cpu, start] = [cpuOf(server), performance.now()];
  await work();
  const seconds = (performance.now() - start) / 1000;
  return { perCore: messages / (cpuOf(server) - cpu), perSecond: messages / seconds };
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function main(): Promise<void> {
  const server = await Moonpost.start({ policy, shards: 1 });
  const smtp = (): Promise<unknown> =>
    inject(server.smtp, { count: messages, size: SIZE, sessions: SESSIONS });
  const works = new Map([
    ['SMTP', smtp],
    ...KINDS.map((kind) => [kind.name, () => post(server, kind)] as const),
  ]);
  // What is compiled and cached once is not what is measured.
  for (const work of works.values()) await work();
  const figures = new Map<string, Figure[]>([...works.keys()].map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, work] of works) figures.get(name)!.push(await measure(server, work));
  }
  const medians = [...figures].map(([name, found]): [string, Figure] => [
    name,
    {
      perCore: median(found.map((one) => one.perCore)),
      perSecond: median(found.map((one) => one.perSecond)),
    },
  ]);
  const [, smtpFigure] = medians[0]!;
  for (const [name, { perCore, perSecond }] of medians) {
    const ratio = perCore / smtpFigure.perCore;
    const goal = name === KINDS[0]!.name ? GOALS.single : name === KINDS[3]!.name ? GOALS.many : undefined;
    const verdict = goal === undefined ? '' : `, goal ${goal}x: ${ratio >= goal ? 'held' : 'MISSED'}`;
    const cost = Math.round(1e6 / perCore);
    console.log(
      `${name}: ${Math.round(perCore)} per core and second (${cost} us each), ${Math.round(perSecond)}/s, ` +
        `${ratio.toFixed(2)}x SMTP${verdict}`,
    );
  }
  await server.kill();
}

await main();
await Moonpost.disposeAll();
