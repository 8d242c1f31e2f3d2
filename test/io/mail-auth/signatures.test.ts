import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock/index.ts';
import { TestResolver } from '../../../src/io/dns/index.ts';
import { checkDmarc, checkSignatures, checkSpf } from '../../../src/io/mail-auth/index.ts';
import { type Canonicalization, DkimSigner, SentForm, SigningKey } from '../../../src/protocol/dkim/index.ts';
import { arcSuite, dkimSuite } from '../../conformance/signature-suites.ts';
import { spfSuite } from '../../conformance/spf-suite.ts';

const key = new SigningKey(readFileSync(`${import.meta.dirname}/../../policy/dkim/ed25519.key`));
const resolver = new TestResolver([
  's1._domainkey.example.com. 30 TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="\n',
]);

const TEXT = 'From: a@example.com\r\nTo: b@example.org\r\nSubject: hi\r\n\r\n';

function signed(text: string, canonicalization: Canonicalization = 'relaxed'): string {
  const signer = new DkimSigner(
    {
      domain: 'example.com',
      selector: 's1',
      headers: ['From', 'To', 'Subject'],
      headerCanonicalization: canonicalization,
      bodyCanonicalization: canonicalization,
      expiration: undefined,
      overSign: true,
    },
    key,
  );
  return `${signer.sign(SentForm.of(Buffer.from(text)), systemClock.now()) as string}${text}`;
}

const check = (text: string) => checkSignatures(Buffer.from(text), resolver, systemClock);

async function dkimOf(text: string): Promise<(string | undefined)[]> {
  return (await check(text)).dkim.map(({ result }) => result);
}

test('the conformance suites hold, case by case', async () => {
  const verdicts = [...(await spfSuite()), ...(await dkimSuite()), ...(await arcSuite())];
  expect(verdicts.filter(({ problem }) => problem !== undefined)).toEqual([]);
  expect(verdicts.length).toBe(203 + 7 + 50);
});

test.each(['relaxed', 'simple'] as const)('bodies of all sizes, %s', async (canonicalization) => {
  const line = 'some  text with spaces \t\r\n';
  for (const body of ['', '\r\n', 'x', 'x\r\n\r\n\r\n', line.repeat(3), line.repeat(60_000)]) {
    const text = signed(TEXT + body, canonicalization);
    expect(await dkimOf(text)).toEqual(['pass']);
    expect(await dkimOf(text.concat('more\r\n'))).toEqual(['fail']);
  }
});

test('a message without body or blank line', async () => {
  const text = signed('From: a@example.com\r\nSubject: x\r\n');
  expect(await dkimOf(text)).toEqual(['pass']);
  expect(await dkimOf('')).toEqual([]);
  expect(await dkimOf('\r\n')).toEqual([]);
});

test('a signature over a part of the body, and one with SHA-1', async () => {
  const fields = 'v=1; a=ed25519-sha256; d=example.com; s=s1; h=from';
  // SHA-256 of nothing: RFC 6376 §3.4.4.
  const empty = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';
  const part = `DKIM-Signature: ${fields}; c=relaxed/relaxed; l=0; bh=${empty}; b=AAAA\r\n${TEXT}text\r\n`;
  const [found] = (await check(part)).dkim;
  // The body is right, the signature is not.
  expect(found).toMatchObject({ result: 'fail', reason: 'bad signature' });
  const whole = part.replace('l=0; ', '');
  expect((await check(whole)).dkim[0]).toMatchObject({ result: 'fail', reason: 'body hash did not verify' });
  expect(await dkimOf(part.replace('ed25519-sha256', 'rsa-sha1'))).toEqual(['fail']);
});

/** Headers that cost a careless reader minutes. */
const HOSTILE: Record<string, string> = {
  'many signatures': 'DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; h=from; bh=x; b=y\r\n'.repeat(
    6000,
  ),
  'many seals': 'ARC-Seal: i=1; a=rsa-sha256; d=example.com; s=s1; cv=none; b=y\r\n'.repeat(6000),
  'a signature of many tags': `DKIM-Signature: ${'x=;'.repeat(150_000)}\r\n`,
  'a signature of many folds': `DKIM-Signature: v=1;${'\r\n '.repeat(150_000)}x\r\n`,
  'a header of many folds': `X-Folds: v=1;${'\r\n '.repeat(80_000)}x\r\n`,
  'many lines that are no header': 'garbage\r\n'.repeat(9500),
  'many headers': 'A: b\r\n'.repeat(80_000),
  'a From of many quotes': `From: ${'"'.repeat(400_000)}\r\n`,
  'a content type of many parameters': `Content-Type: multipart/mixed; ${'a*0=b; '.repeat(70_000)}\r\n`,
};

test.each(Object.keys(HOSTILE))('%s: refused at once', async (name) => {
  const { dkim, arc } = await check(HOSTILE[name] + TEXT);
  expect(dkim.map(({ result }) => result)).toEqual(['permerror']);
  expect(arc.result).toBe('fail');
});

test('hostile TXT is an error of the domain, and no more', async () => {
  const texts = [
    '\u200bv=spf1 -all',
    'v=spf1 \u200b -all',
    'v=spf1 a:\ud83d\ude00.example -all',
    'v=spf1 %{',
    'v=spf1 exists:%{l9999999999999999999r+-/=,_}.example -all',
    `v=spf1 ${'?all '.repeat(10_000)}`,
    `v=spf1 ${'include:x.example '.repeat(500)}-all`,
    'v=spf1 redirect=x.example',
    'v=DMARC1; p=\u200bnone; __proto__=x; constructor=y',
    'v=DKIM1; k=rsa; p=AAAA; __proto__=x',
    `v=DKIM1; p=${'A'.repeat(60_000)}`,
    '\0\x01\x02;=;=;=',
  ];
  for (const text of texts) {
    const hostile = new TestResolver([]);
    hostile.query = async () => ({ records: [[Buffer.from(text)]], secure: false, ttl: 0 });
    const question = { ip: '192.0.2.1', helo: 'x.example', sender: 'a@x.example' };
    const { result } = await checkSpf(question, hostile, systemClock);
    expect(['none', 'neutral', 'fail', 'permerror']).toContain(result.result);
    const message = Buffer.from(signed(TEXT));
    const { dkim } = await checkSignatures(message, hostile, systemClock);
    expect(dkim.map((one) => one.result)).not.toContain('pass');
    const dmarc = await checkDmarc({ message, dkim, spf: result }, hostile, systemClock);
    expect(dmarc.result.result).not.toBe('pass');
  }
});
