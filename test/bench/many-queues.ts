import { postInjection } from '../kit/http-post.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';
import { SmtpTalk } from '../kit/smtp-talk.ts';

/** Recipients in one request. */
const BATCH = 1000;

/** A server with one message in each of so many queues, none of them due; mail over SMTP is taken and forgotten. */
export async function serverWithQueues(queues: number, shards: number): Promise<Moonpost> {
  const policy = `${initLua()}
kumo.on('http_message_generated', function(msg)
  msg:set_meta('tenant', 'tenant' .. #msg:recipient().user)
  msg:set_scheduling { first_attempt = '2099-01-01T00:00:00Z' }
end)
kumo.on('smtp_server_message_received', function(msg) msg:set_meta('queue', 'null') end)
kumo.on('get_queue_config', function() return kumo.make_queue_config { max_age = '100 years' } end)
`;
  const server = await Moonpost.start({ policy, shards });
  for (let first = 0; first < queues; first += BATCH) {
    const recipients = Array.from({ length: Math.min(BATCH, queues - first) }, (_, index) => ({
      email: `user@domain${first + index}.example`,
    }));
    const { status, text } = await postInjection(server.http, {
      envelope_sender: 'me@from.example',
      content: 'From: me@from.example\r\nSubject: one of many\r\n\r\nbody',
      recipients,
    });
    if (status !== 200) throw new Error(text);
  }
  return server;
}

export interface Latencies {
  count: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

/** Messages sent for so many seconds over so many connections, one after the other on each: from MAIL FROM to the 250. */
export async function transactions(port: number, seconds: number, connections = 4): Promise<Latencies> {
  const end = performance.now() + seconds * 1000;
  const took: number[] = [];
  const message = `Subject: hello\r\n\r\n${'some text to read\r\n'.repeat(500)}`;
  const one = async (): Promise<void> => {
    const talk = await SmtpTalk.greeted(port);
    while (performance.now() < end) {
      const began = performance.now();
      await talk.send('me@from.example', ['you@dest.example'], message);
      took.push(performance.now() - began);
    }
    await talk.quit();
  };
  await Promise.all(Array.from({ length: connections }, one));
  took.sort((a, b) => a - b);
  const at = (part: number): number => took[Math.floor((took.length - 1) * part)] ?? 0;
  return { count: took.length, p50: at(0.5), p99: at(0.99) };
}

export function shown({ count, p50, p99 }: Latencies): string {
  return `${count} messages, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
}

/** Does it each time so many ms after it began last, until `stop`; gives how long each took, in ms. */
export function everyNow(every: number, work: () => Promise<void>): { stop(): Promise<number[]> } {
  const took: number[] = [];
  let isOver = false;
  const loop = (async () => {
    while (!isOver) {
      const began = performance.now();
      await work();
      const elapsed = performance.now() - began;
      took.push(elapsed);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, every - elapsed)));
    }
  })();
  return {
    async stop() {
      isOver = true;
      await loop;
      return took;
    },
  };
}
