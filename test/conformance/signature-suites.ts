import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/io/clock/index.ts';
import { TestResolver } from '../../src/io/dns/index.ts';
import { checkSignatures } from '../../src/io/mail-auth/index.ts';
import { arcSet } from '../../src/protocol/arc/index.ts';
import { DkimSigner, SentForm, SigningKey } from '../../src/protocol/dkim/index.ts';
import type { Verdict } from './verdict.ts';

const record = (name: string, text: string): string =>
  `${name}. 30 TXT ${text
    .match(/.{1,200}/g)!
    .map((part) => `"${part}"`)
    .join(' ')}\n`;

/** The keys of RFC 6376 appendix C, RFC 8463 appendix A and dkimpy. */
const resolver = new TestResolver([
  record(
    'brisbane._domainkey.example.com',
    'v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB',
  ) +
    record(
      'brisbane._domainkey.football.example.com',
      'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
    ) +
    record(
      'test._domainkey.football.example.com',
      'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
    ) +
    record(
      'test._domainkey.example.com',
      'v=DKIM1; g=*; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
    ),
]);

function message(path: string): Buffer {
  const text = readFileSync(join(import.meta.dirname, path), 'latin1');
  return Buffer.from(text.replace(/\r?\n/g, '\r\n'), 'latin1');
}

const check = (bytes: Buffer) => checkSignatures(bytes, resolver, systemClock);

function verdict(name: string, found: unknown, expected: unknown): Verdict {
  const [got, wanted] = [JSON.stringify(found), JSON.stringify(expected)];
  return { name, problem: got === wanted ? undefined : `expected ${wanted}, got ${got}` };
}

/** The examples of the RFCs, as they are and changed. */
export async function dkimSuite(): Promise<Verdict[]> {
  const results = async (bytes: Buffer): Promise<unknown[]> =>
    (await check(bytes)).dkim.map(({ result, reason }) => (result === 'pass' ? result : [result, reason]));
  const edited = (path: string, from: string, to: string): Buffer =>
    Buffer.from(message(path).toString('latin1').replace(from, to), 'latin1');
  const body = ['fail', 'body hash did not verify'];
  const header = ['fail', 'bad signature'];
  const [six, eight] = ['dkim/rfc6376.eml', 'dkim/rfc8463.eml'];
  return [
    verdict('RFC 6376 A.2', await results(message(six)), ['pass']),
    verdict('RFC 6376 A.2, body changed', await results(edited(six, 'Joe.\r', 'Jim.\r')), [body]),
    verdict('RFC 6376 A.2, header changed', await results(edited(six, 'dinner', 'supper')), [header]),
    verdict('RFC 8463 A.3, Ed25519 and RSA', await results(message(eight)), ['pass', 'pass']),
    verdict('RFC 8463 A.3, body changed', await results(edited(eight, 'Joe.\r', 'Jim.\r')), [body, body]),
    verdict('RFC 8463 A.3, header changed', await results(edited(eight, 'dinner', 'supper')), [
      header,
      header,
    ]),
    verdict('RFC 8463 A.3, spaces in the body', await results(edited(eight, 'hungry yet', 'hungry  yet')), [
      'pass',
      'pass',
    ]),
  ];
}

/** A message with so many sets, each by the signer of this project. */
async function sealed(sets: number): Promise<string> {
  const key = readFileSync(join(import.meta.dirname, '../policy/dkim/ed25519.key'));
  const signer = new DkimSigner(
    {
      domain: 'football.example.com',
      selector: 'brisbane',
      headers: ['From', 'To', 'Subject'],
      headerCanonicalization: 'relaxed',
      bodyCanonicalization: 'relaxed',
      expiration: undefined,
      overSign: false,
    },
    new SigningKey(key),
  );
  let text = message('dkim/rfc8463.eml').toString('latin1');
  for (let done = 0; done < sets; done++) {
    const results = [{ method: 'spf', result: 'pass', props: new Map([['smtp.mailfrom', 'a@example.com']]) }];
    const seal = { signer, serverId: 'mx.example.com', results, sets: done };
    const lines = await arcSet(SentForm.of(Buffer.from(text)), seal, 1_700_000_000_000, (work) => work());
    text = lines + text;
  }
  return text;
}

/** What makes a chain of three sets bad (RFC 8617 §4 and §5.2); each a text in it and what stands there instead. */
const FAULTS: Record<string, [string | RegExp, string]> = {
  'no seal of set 1': [/ARC-Seal: i=1;(?:.*\r\n[ \t])*.*\r\n/, ''],
  'no seal of set 2': [/ARC-Seal: i=2;(?:.*\r\n[ \t])*.*\r\n/, ''],
  'no seal of set 3': [/ARC-Seal: i=3;(?:.*\r\n[ \t])*.*\r\n/, ''],
  'no signature of set 1': [/ARC-Message-Signature: i=1;(?:.*\r\n[ \t])*.*\r\n/, ''],
  'no signature of set 3': [/ARC-Message-Signature: i=3;(?:.*\r\n[ \t])*.*\r\n/, ''],
  'no results of set 2': [/ARC-Authentication-Results: i=2;(?:.*\r\n[ \t])*.*\r\n/, ''],
  'two seals of set 2': [/(ARC-Seal: i=2;(?:.*\r\n[ \t])*.*\r\n)/, '$1$1'],
  'two signatures of set 3': [/(ARC-Message-Signature: i=3;(?:.*\r\n[ \t])*.*\r\n)/, '$1$1'],
  'two results of set 1': [/(ARC-Authentication-Results: i=1;(?:.*\r\n[ \t])*.*\r\n)/, '$1$1'],
  'set 0': ['ARC-Seal: i=1;', 'ARC-Seal: i=0;'],
  'set 4 in place of 3': [/i=3;/g, 'i=4;'],
  'set 51': [/i=3;/g, 'i=51;'],
  'a set that is no number': ['ARC-Seal: i=3;', 'ARC-Seal: i=x;'],
  'a set with three digits': ['ARC-Seal: i=3;', 'ARC-Seal: i=003;'],
  'a seal without a number': ['ARC-Seal: i=3;', 'ARC-Seal:'],
  'cv=fail on top': [/(ARC-Seal: i=3;.*)cv=pass/, '$1cv=fail'],
  'cv=none on top': [/(ARC-Seal: i=3;.*)cv=pass/, '$1cv=none'],
  'cv=pass at the bottom': ['cv=none', 'cv=pass'],
  'no cv': ['cv=none;', ''],
  'cv of no meaning': ['cv=none;', 'cv=maybe;'],
  'h= in a seal': ['cv=none;', 'cv=none; h=from;'],
  'a signature over seals': [/(ARC-Message-Signature: i=3;[\s\S]*?)h=From/, '$1h=ARC-Seal:From'],
  'a signature without From': [/(ARC-Message-Signature: i=3;[\s\S]*?)h=From:/, '$1h='],
  'rsa-sha1': [/(ARC-Seal: i=3; )a=ed25519-sha256/, '$1a=rsa-sha1'],
  'an algorithm of another key': [/(ARC-Seal: i=3; )a=ed25519-sha256/, '$1a=rsa-sha256'],
  'no algorithm': [/(ARC-Seal: i=3; )a=ed25519-sha256;/, '$1'],
  'another time in a seal': [/(ARC-Seal: i=2;.*)t=1700000000/, '$1t=1700000001'],
  'other results in set 1': [/(ARC-Authentication-Results: i=1;[\s\S]*?)spf=pass/, '$1spf=fail'],
  'other results in set 3': [/(ARC-Authentication-Results: i=3;[\s\S]*?)spf=pass/, '$1spf=fail'],
  'another signature in set 1': [/(ARC-Message-Signature: i=1;[\s\S]*?)t=1700000000/, '$1t=1700000001'],
  'a seal of nobody': [/(ARC-Seal: i=3;[\s\S]*?)s=brisbane/, '$1s=nowhere'],
  'a seal without selector': [/(ARC-Seal: i=1;[\s\S]*?)s=brisbane;/, '$1'],
  'a seal without domain': [/(ARC-Seal: i=1;[\s\S]*?)d=football.example.com;/, '$1'],
  'a signature of nobody': [/(ARC-Message-Signature: i=3;[\s\S]*?)s=brisbane/, '$1s=nowhere'],
  'a tag twice': [/(ARC-Seal: i=3; )/, '$1t=1700000000; '],
  'the body': ['Joe.\r', 'Jim.\r'],
  'a header that is signed': ['dinner', 'supper'],
};

/** What leaves a chain as good as it is. */
const HARMLESS: Record<string, [string | RegExp, string]> = {
  'spaces in the body': ['hungry yet', 'hungry  yet'],
  'a fold in a signed header': ['Is dinner', 'Is\r\n dinner'],
  'a header that is not signed': ['From: Joe', 'X-Hop: 1\r\nFrom: Joe'],
  'a header on top': [/^/, 'Received: from a by b\r\n'],
  'names of headers in capitals': [/ARC-Seal:/g, 'ARC-SEAL:'],
};

/** Vectors of dkimpy, chains of our own signer, and what is wrong with a chain. */
export async function arcSuite(): Promise<Verdict[]> {
  const result = async (bytes: Buffer | string): Promise<string> =>
    (await check(Buffer.from(bytes as string, 'latin1'))).arc.result;
  const verdicts = [
    verdict('dkimpy: a set', await result(message('arc/dkimpy-pass.eml')), 'pass'),
    verdict('dkimpy: h= in a seal', await result(message('arc/dkimpy-fail-h-in-seal.eml')), 'fail'),
    verdict('no set', await result(message('dkim/rfc8463.eml')), 'none'),
  ];
  for (const sets of [1, 2, 3, 50]) {
    verdicts.push(verdict(`sets: ${sets}`, await result(await sealed(sets)), 'pass'));
  }
  verdicts.push(verdict('sets: 51', await result(await sealed(51)), 'fail'));
  const good = await sealed(3);
  for (const [edits, expected] of [
    [FAULTS, 'fail'],
    [HARMLESS, 'pass'],
  ] as const) {
    for (const [name, [from, to]] of Object.entries(edits)) {
      const edited = good.replace(from, to);
      const found = edited === good ? 'the edit changed nothing' : await result(edited);
      verdicts.push(verdict(name, found, expected));
    }
  }
  return verdicts;
}
