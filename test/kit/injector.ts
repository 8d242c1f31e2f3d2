import { SmtpTalk } from './smtp-talk.ts';

export interface Injection {
  count: number;
  /** Connections at a time; each carries many messages. */
  sessions?: number;
  /** Bytes of each body, about. */
  size?: number;
  /** The first number; messages are told apart by it. */
  first?: number;
  recipient?: (number: number) => string;
  onAccepted?: (number: number) => void;
}

export interface Injected {
  /** Ids that the server gave, by number of the message. */
  accepted: Map<number, string>;
  /** Replies other than 250, by number. */
  refused: Map<number, string>;
}

/** The header that carries the number of an injected message. */
const NUMBER = /^X-Number: (\d+)/m;

/** The number of a message that `inject` made. */
export function numberOf(message: string): number {
  return Number(NUMBER.exec(message)![1]);
}

/** Sends numbered messages over several connections. A connection that breaks ends its share, without an error. */
export async function inject(port: number, injection: Injection): Promise<Injected> {
  const { count, sessions = 8, first = 0 } = injection;
  const injected: Injected = { accepted: new Map(), refused: new Map() };
  let next = first;
  const session = async (): Promise<void> => {
    const talk = await SmtpTalk.greeted(port);
    while (next < first + count) await transaction(talk, next++, injection, injected);
    await talk.quit();
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(sessions, count) }, session));
  if (injected.accepted.size === 0 && injected.refused.size === 0) {
    const broken = results.find((result) => result.status === 'rejected');
    if (broken !== undefined) throw broken.reason;
  }
  return injected;
}

async function transaction(
  talk: SmtpTalk,
  number: number,
  { size = 1024, recipient = () => 'rcpt@dest.example', onAccepted }: Injection,
  injected: Injected,
): Promise<void> {
  talk.write(`MAIL FROM:<sender@example.org>\r\nRCPT TO:<${recipient(number)}>\r\nDATA\r\n`);
  const replies = [await talk.reply(), await talk.reply(), await talk.reply()];
  const refusal = replies.find((reply) => !/^(250|354)/.test(reply));
  if (refusal !== undefined) {
    injected.refused.set(number, refusal);
    if (replies[2]!.startsWith('354')) {
      talk.write('.\r\n');
      await talk.reply();
    } else await talk.command('RSET', '250');
    return;
  }
  const line = `${'moonpost '.repeat(8)}\r\n`;
  const body = line.repeat(Math.ceil(size / line.length));
  talk.write(`Subject: number ${number}\r\nX-Number: ${number}\r\n\r\n${body}.\r\n`);
  const reply = await talk.reply();
  const id = /^250 OK ids=(\S+)/.exec(reply)?.[1];
  if (id === undefined) injected.refused.set(number, reply);
  else {
    injected.accepted.set(number, id);
    onAccepted?.(number);
  }
}
