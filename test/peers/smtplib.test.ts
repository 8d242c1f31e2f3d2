import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { requireCommand } from '../kit/peer.ts';

let python: string;
let server: Moonpost;
let drop: MailDrop;

beforeAll(async () => {
  python = requireCommand('python3', 'apt-get install python3');
  drop = await MailDrop.start();
  server = await Moonpost.start({ policy: initLua() + relayLua(drop.port) });
});
afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** Runs a script with `s` connected; gives what it printed as JSON. */
async function smtplib(script: string): Promise<unknown> {
  const text = `
import json, smtplib
from email.message import EmailMessage
s = smtplib.SMTP('127.0.0.1', ${server.smtp}, local_hostname='python.example', timeout=30)
def say(verb, args=''):
    code, text = s.docmd(verb, args)
    return '%d %s' % (code, text.decode())
${script}
`;
  const child = spawn(python, ['-c', text], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const [code] = await once(child, 'close');
  expect(code, errors).toBe(0);
  return JSON.parse(output);
}

test('what EHLO offers, as smtplib reads it', async () => {
  const features = await smtplib('s.ehlo(); print(json.dumps(sorted(s.esmtp_features)))\ns.quit()');
  expect(features).toEqual([
    '8bitmime',
    'chunking',
    'enhancedstatuscodes',
    'pipelining',
    'size',
    'smtputf8',
    'starttls',
  ]);
});

test('a hundred messages over one connection, then QUIT', async () => {
  const before = drop.messages.length;
  const result = await smtplib(`
refused = []
for n in range(100):
    m = EmailMessage()
    m['Subject'] = 'number %d' % n
    m.set_content('line one\\n.\\n..two\\nGr\\u00fc\\u00dfe\\n')
    refused.append(s.send_message(m, 'a@example.org', ['b@dest.example']))
print(json.dumps([refused.count({}), s.quit()[0]]))`);
  expect(result).toEqual([100, 221]);
  await drop.until(before + 100);
  const subjects = drop.messages.slice(before).map(({ body }) => /^Subject: number (\d+)/m.exec(body)![1]);
  expect(new Set(subjects).size).toBe(100);
});

test('an address that needs SMTPUTF8, from a peer that speaks it', async () => {
  const before = server.counts().Reception ?? 0;
  const result = await smtplib(`
m = EmailMessage(); m['Subject'] = 'x'; m['From'] = 'j\\u00f6@example.org'; m['To'] = 'b@dest.example'; m.set_content('x')
print(json.dumps(s.send_message(m))); s.quit()`);
  expect(result).toEqual({});
  // The drop does not offer SMTPUTF8, so the message bounces, with our own reply.
  const records = await server.untilCounts({ Reception: before + 1, Bounce: 1 });
  expect(records.find(({ type }) => type === 'Bounce')).toMatchObject({
    sender: 'jö@example.org',
    response: { code: 554, enhanced_code: { class: 5, subject: 6, detail: 7 } },
  });
});

test('bad commands get their codes, and the session lives through all of them', async () => {
  const replies = await smtplib(`
out = [say('FROB'), say('HELO'), say('MAIL', 'FROM:<a@example.org>')]
s.docmd('RSET')
s.ehlo()
out += [say('DATA'), say('RCPT', 'TO:<b@dest.example>'), say('MAIL', 'FROM: a b'), say('MAIL', 'FROM:<a@example.org> FOO=bar'),
        say('VRFY', 'postmaster'), say('EXPN', 'x'), say('HELP'), say('NOOP', 'x'), say('AUTH', 'PLAIN')]
s.mail('a@example.org')
out += [say('RCPT', 'TO:<>'), say('RCPT', 'TO:<b@dest.example'), say('RCPT', 'TO:<b@dest.example>')]
out.append(str(s.quit()[0]))
print(json.dumps([r[:3] for r in out]))`);
  expect(replies).toEqual([
    ...['502', '501', '250'],
    ...['503', '503', '501', '555'],
    ...['502', '502', '502', '250', '524'],
    ...['501', '501', '250'],
    '221',
  ]);
});

test('a session that only greets and leaves, a hundred times, leaves nothing open', async () => {
  await smtplib(
    `
s.quit()
for n in range(100):
    t = smtplib.SMTP('127.0.0.1', ${server.smtp}, timeout=30)
    if n % 2: t.quit()
    else: t.close()
print('1')`,
  );
  // The last of them may still be on its way out.
  await eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${server.http}/metrics.json`);
    const { connection_count } = (await response.json()) as {
      connection_count: { value: { service: { esmtp_listener: number } } };
    };
    return connection_count.value.service.esmtp_listener === 0 ? true : undefined;
  });
});
