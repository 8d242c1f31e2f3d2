import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { settle } from '../kit/fake-clock.ts';
import {
  fails,
  rejects,
  returns,
  smtpSession,
  type TestClient,
  type TestHandler,
} from '../kit/smtp-session.ts';

// Every .txt beside this file is one SMTP conversation, by lines:
//   O: name = JSON           a listener option
//   P: event reject 550 text | disconnect 550 text | follow 550 text | error | over-budget | return JSON
//   offers TLS               STARTTLS works, without encryption
//   refuses relay            the client is not in relay_hosts
//   C: text                  the client sends text and CRLF
//   R: text                  the client sends exactly text
//   S: text                  the server has said this line; `~` at the end: it starts so
//   S- closed                the server has closed, and said no more      S- silent   it said no more
//   T: 60s                   time passes
//   E- end                   the client closes its side
//   M: sender -> rcpt, rcpt = body    the next message that reception got
//   L: code command          the next Rejection record (`-` for no command)
// In C, R and M: \r \n \0 \t \\ \xHH, and \(x*999) for repetition.

const CODES: Record<string, string> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' };

function octetsOf(text: string): Buffer {
  const octets = Buffer.from(text).toString('latin1');
  const plain = octets
    .replace(/\\\((.+?)\*(\d+)\)/g, (_all, what: string, count: string) => what.repeat(Number(count)))
    .replace(/\\(?:x([0-9a-f]{2})|([rnt0\\]))/g, (_all, hex: string | undefined, code: string) =>
      hex === undefined ? CODES[code]! : String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return Buffer.from(plain, 'latin1');
}

function handler(text: string): TestHandler {
  const [kind, code, ...words] = text.split(' ');
  const rest = words.join(' ').replaceAll('\\n', '\n');
  if (kind === 'reject') return () => rejects(Number(code), rest);
  if (kind === 'disconnect') return () => rejects(Number(code), rest, 'ForceDisconnect');
  if (kind === 'follow') return () => rejects(Number(code), rest, 'FollowWith421');
  if (kind === 'error') return () => fails;
  if (kind === 'over-budget') return () => ({ kind: 'error', message: 'too long', overBudget: true });
  if (kind === 'return') return () => returns(...(JSON.parse([code, ...words].join(' ')) as unknown[]));
  throw new Error(`unknown policy: ${text}`);
}

interface Step {
  kind: string;
  text: string;
  at: string;
}

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };

async function play(client: TestClient, { kind, text, at }: Step): Promise<void> {
  switch (kind) {
    case 'C:':
      return client.send(Buffer.concat([octetsOf(text), Buffer.from('\r\n')]));
    case 'R:':
      return client.send(octetsOf(text));
    case 'S:': {
      const line = client.line() ?? '(nothing)';
      const isPrefix = text.endsWith('~');
      expect(isPrefix ? line.slice(0, text.length - 1) : line, at).toBe(isPrefix ? text.slice(0, -1) : text);
      return;
    }
    case 'S-':
      expect(client.line(), at).toBeUndefined();
      expect(client.closed, at).toBe(text === 'closed');
      return;
    case 'T:': {
      const match = /^(\d+)(ms|s|m)$/.exec(text)!;
      return client.advance(Number(match[1]) * MILLISECONDS[match[2]!]!);
    }
    case 'E-':
      client.transport.peer!.deliver('end');
      return settle();
    case 'M:': {
      const message = client.received.shift();
      const envelope = `${message?.sender} -> ${message?.recipients.join(', ')}`;
      const equals = text.indexOf(' = ');
      expect(envelope, at).toBe(text.slice(0, equals));
      expect(message?.body.toString('latin1'), at).toBe(octetsOf(text.slice(equals + 3)).toString('latin1'));
      return;
    }
    case 'L:': {
      const record = client.test.rejections.shift();
      expect(`${record?.reply.code} ${record?.reply.command?.slice(0, -2) ?? '-'}`, at).toBe(text);
      return;
    }
    default:
      throw new Error(`${at}: unknown line`);
  }
}

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.txt'));

test('there are conversations', () => expect(files.length).toBeGreaterThan(10));

for (const file of files) {
  test(file, async () => {
    const options: Record<string, unknown> = {};
    const policy: Record<string, TestHandler> = {};
    const steps: Step[] = [];
    let relays = true;
    let offersTls = false;
    const lines = readFileSync(join(import.meta.dirname, file), 'utf8').split('\n');
    for (const [index, line] of lines.entries()) {
      if (line === '' || line.startsWith('#')) continue;
      const text = line.slice(3);
      if (line === 'refuses relay') relays = false;
      else if (line === 'offers TLS') offersTls = true;
      else if (line.startsWith('O: ')) options[text.split(' = ')[0]!] = JSON.parse(text.split(' = ')[1]!);
      else if (line.startsWith('P: ')) {
        const space = text.indexOf(' ');
        policy[text.slice(0, space)] = handler(text.slice(space + 1));
      } else steps.push({ kind: line.slice(0, 2), text, at: `${file}:${index + 1}: ${line}` });
    }
    const client = smtpSession({ options, policy, relays, offersTls });
    await settle();
    for (const step of steps) await play(client, step);
    await settle();
    expect(client.line(), 'more was said at the end').toBeUndefined();
    expect(client.received, 'messages that no M: line names').toEqual([]);
  });
}
