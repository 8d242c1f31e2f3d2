/**
 * Signing mail of 10 KB with RSA-2048, beside mailauth in the same run. Goals: at most 0.25 ms of the event loop for a
 * signature, and at least 1.9 times the throughput of mailauth on 2 cores. Run: node test/bench/dkim.bench.ts [SECONDS]
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import { luaModules, luaObjects } from '../../src/api/lua/index.ts';
import { systemClock } from '../../src/io/clock/index.ts';
import { SigningTurns } from '../../src/io/dkim/index.ts';
import { createPolicyEngine } from '../../src/lua/index.ts';
import { events } from '../../src/model/events/index.ts';
import { Message, type PolicyHost } from '../../src/model/index.ts';
import { canonicalBody, DkimSigner, SentForm, SigningKey } from '../../src/protocol/dkim/index.ts';
import { EnvelopeAddress } from '../../src/protocol/smtp/index.ts';
import { numbersFrom } from '../kit/dkim-mail.ts';

const SIZE = 10 * 1024;
const HEADERS = ['From', 'To', 'Subject', 'Date', 'Message-ID', 'MIME-Version', 'Content-Type'];
const GOAL_MS = 0.25;
const GOAL_TIMES = 1.9;
/** Messages in hand at one time, as in a shard that is busy. */
const IN_HAND = 16;
const ROUNDS = 3;

/** Text of words, of which some have two spaces between them or a space at the end of the line. */
function mail(): Buffer {
  const next = numbersFrom(1);
  const head =
    'Received: from client.example (192.0.2.1)\r\n  by mx.example.com (Moonpost 192.0.2.2)\r\n  with ESMTP id 00112233;\r\n' +
    '  Mon, 2 Feb 2026 10:00:00 +0000\r\nFrom: News <news@example.com>\r\nTo: reader@example.org\r\n' +
    'Subject: What is new this week\r\nDate: Mon, 2 Feb 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n' +
    'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nX-Campaign: weekly\r\n\r\n';
  let text = head;
  while (text.length < SIZE) {
    const words = Array.from({ length: 12 }, () => 'x'.repeat(2 + Math.floor(next() * 8)));
    text += `${words.join(next() < 0.2 ? '  ' : ' ')}${next() < 0.1 ? ' ' : ''}\r\n`;
  }
  return Buffer.from(text.slice(0, SIZE - 2).concat('\r\n'));
}

interface Job {
  pem: string;
  seconds: number;
}

interface Signed {
  count: number;
  /** Milliseconds of the processor that the event loop's thread took for each. */
  loop: number;
}

/** Signs with mailauth for so long. */
async function mailauthFor({ pem, seconds }: Job): Promise<Signed> {
  const message = mail();
  const signatureData = [{ signingDomain: 'example.com', selector: 's1', privateKey: pem }];
  const options = { canonicalization: 'relaxed/relaxed', headerList: HEADERS, signatureData };
  const until = systemClock.monotonic() + seconds * 1000;
  let count = 0;
  const before = process.threadCpuUsage();
  for (; systemClock.monotonic() < until; count++) {
    const { signatures, errors } = await dkimSign(message, options as Parameters<typeof dkimSign>[1]);
    if (signatures === '' || errors.length > 0) throw new Error('mailauth did not sign');
  }
  return { count, loop: loopTime(before, count) };
}

function loopTime(before: NodeJS.CpuUsage, count: number): number {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000 / count;
}

/** Signs as many at a time as a shard has in hand, for so long. */
async function ownFor({ seconds }: Job, sign: () => Promise<unknown>): Promise<Signed> {
  const until = systemClock.monotonic() + seconds * 1000;
  let count = 0;
  const before = process.threadCpuUsage();
  const one = async (): Promise<void> => {
    for (; systemClock.monotonic() < until; count++) await sign();
  };
  await Promise.all(Array.from({ length: IN_HAND }, one));
  return { count, loop: loopTime(before, count) };
}

/** The signer and its surroundings as the binding has them. */
function signing(pem: string): () => Promise<unknown> {
  const signer = new DkimSigner(
    {
      domain: 'example.com',
      selector: 's1',
      headers: HEADERS,
      headerCanonicalization: 'relaxed',
      bodyCanonicalization: 'relaxed',
      expiration: undefined,
      overSign: false,
    },
    new SigningKey(Buffer.from(pem)),
  );
  const turns = new SigningTurns();
  const message = mail();
  return async () => {
    const line = await signer.sign(SentForm.of(message), systemClock.now(), (work) => turns.run(4, work));
    return Buffer.concat([Buffer.from(line), message]);
  };
}

/** A handler that asks for its signer with every message, as the helper does. */
async function handler(directory: string): Promise<() => Promise<unknown>> {
  const list = HEADERS.map((name) => `'${name}'`).join(', ');
  const file = join(directory, 'policy.lua');
  writeFileSync(
    file,
    `local kumo = require 'kumo'
kumo.on('smtp_server_message_received', function(msg)
  msg:dkim_sign(kumo.dkim.rsa_sha256_signer {
    domain = 'example.com', selector = 's1', headers = { ${list} }, key = '${directory}/s1.key',
  })
end)`,
  );
  const quiet = () => undefined;
  const host = {
    clock: systemClock,
    diagnostics: { error: quiet, warn: quiet, info: quiet, debug: quiet },
    once: () => true,
  } as unknown as PolicyHost;
  const parts = { modules: luaModules, objects: luaObjects, events, helpersDir: directory };
  const { engine } = await createPolicyEngine({ ...parts, file, host });
  const body = mail();
  const sender = EnvelopeAddress.parse('news@example.com')!;
  const recipients = [EnvelopeAddress.parse('reader@example.org')!];
  return async () => {
    const message = new Message({ id: '0'.repeat(32), sender, recipients, meta: {}, body });
    const result = await engine.fire('smtp_server_message_received', [message]);
    if (result.kind === 'error' || message.body === body) throw new Error(JSON.stringify(result));
  };
}

/** Microseconds of one call. */
function each(work: () => unknown): number {
  const rounds = 5000;
  for (let n = 0; n < rounds; n++) work();
  const started = systemClock.monotonic();
  for (let n = 0; n < rounds; n++) work();
  return ((systemClock.monotonic() - started) * 1000) / rounds;
}

/** What so many threads do with mailauth together. */
async function mailauthIn(threads: number, job: Job): Promise<Signed> {
  const all = await Promise.all(
    Array.from({ length: threads }, () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: job });
      return new Promise<Signed>((resolve, reject) => worker.once('message', resolve).once('error', reject));
    }),
  );
  return { count: all.reduce((sum, { count }) => sum + count, 0), loop: all[0]!.loop };
}

async function compare(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 3);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-dkim-'));
  writeFileSync(join(directory, 's1.key'), pem);
  try {
    const message = mail();
    const { bodyStart } = SentForm.of(message);
    const body = message.subarray(bodyStart);
    console.log(
      `canonical body: relaxed ${each(() => canonicalBody('relaxed', body)).toFixed(1)} us, ` +
        `simple ${each(() => canonicalBody('simple', body)).toFixed(1)} us; ` +
        `all before the signature ${each(() => SentForm.of(message).bodyHash('relaxed')).toFixed(1)} us`,
    );
    const job = { pem, seconds };
    const [plain, policy] = [signing(pem), await handler(directory)];
    await ownFor({ ...job, seconds: 0.5 }, plain);
    await ownFor({ ...job, seconds: 0.5 }, policy);
    for (let round = 1; round <= ROUNDS; round++) {
      const alone = await mailauthIn(1, job);
      const one = alone.count / seconds;
      const two = (await mailauthIn(2, job)).count / seconds;
      const signer = await ownFor(job, plain);
      const inPolicy = await ownFor(job, policy);
      const rate = inPolicy.count / seconds;
      const verdict = (holds: boolean): string => (holds ? 'holds' : 'DOES NOT HOLD');
      console.log(
        `round ${round}: mailauth ${one.toFixed(0)}/s, ${alone.loop.toFixed(3)} ms of the event loop, ${two.toFixed(0)}/s in 2 threads; ` +
          `the signer ${(signer.count / seconds).toFixed(0)}/s, ${signer.loop.toFixed(3)} ms; ` +
          `msg:dkim_sign ${rate.toFixed(0)}/s, ${inPolicy.loop.toFixed(3)} ms`,
      );
      console.log(
        `  at most ${GOAL_MS} ms for a signature ${verdict(signer.loop <= GOAL_MS)}, with the event of policy around it ` +
          `${verdict(inPolicy.loop <= GOAL_MS)}; at least ${GOAL_TIMES} times mailauth ` +
          `${verdict(rate >= GOAL_TIMES * one)} (${(rate / one).toFixed(2)}; ${(rate / two).toFixed(2)} against 2 threads)`,
      );
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

if (isMainThread) {
  await compare();
  process.exit();
} else {
  parentPort!.postMessage(await mailauthFor(workerData as Job));
}
