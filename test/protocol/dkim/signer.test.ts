import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  DkimSigner,
  type DkimSignerOptions,
  foldSignature,
  SentForm,
  SigningKey,
} from '../../../src/protocol/dkim/index.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
const pem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const NOW = 1_700_000_000_500;

/** RFC 8463 appendix A.2: the seed, as PKCS #8 has it. */
const ed25519 = Buffer.concat([
  Buffer.from('302e020100300506032b657004220420', 'hex'),
  Buffer.from('nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=', 'base64'),
]);

const options = (more: Partial<DkimSignerOptions> = {}): DkimSignerOptions => ({
  domain: 'example.com',
  selector: 's1',
  headers: ['From', 'To', 'Subject'],
  headerCanonicalization: 'relaxed',
  bodyCanonicalization: 'relaxed',
  expiration: undefined,
  overSign: false,
  ...more,
});

const message = Buffer.from('From: a@example.com\r\nSubject: hi\r\n\r\nbody\r\n');

describe('RFC 8463 appendix A', () => {
  const headers =
    'from:Joe SixPack <joe@football.example.com>\r\nto:Suzie Q <suzie@shopping.example.net>\r\n' +
    'subject:Is dinner ready?\r\ndate:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n' +
    'message-id:<20030712040037.46341.5F8J@football.example.com>\r\n';
  const own =
    'dkim-signature:v=1; a=ed25519-sha256; c=relaxed/relaxed; d=football.example.com; ' +
    'i=@football.example.com; q=dns/txt; s=brisbane; t=1528637909; h=from : to : subject : date : ' +
    'message-id : from : subject : date; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=';

  test('the hash of the body', () => {
    const body = 'Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n';
    const form = SentForm.of(Buffer.from(`From: a\r\n\r\n${body}`));
    expect(form.bodyHash('relaxed')).toBe('2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=');
  });

  test('the signature of Ed25519', () => {
    expect(new SigningKey(ed25519).signNow(Buffer.from(headers + own))).toBe(
      '/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
    );
  });
});

test('the field, folded, with nothing that could be missing', () => {
  const signer = new DkimSigner(options({ expiration: 3600 }), new SigningKey(ed25519));
  const line = signer.sign(SentForm.of(message), NOW) as string;
  expect(line.replace(/b=[A-Za-z0-9+/=\r\n\t ]+$/, 'b=B\r\n')).toBe(
    'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=s1;\r\n' +
      '\tt=1700000000; x=1700003600;\r\n' +
      '\th=From:To:Subject;\r\n' +
      '\tbh=Ck5SoRNWUpSR4X0COv7R5ub2pUTtl6xz4dTFz++ji4M=;\r\n\tb=B\r\n',
  );
  for (const text of line.split('\r\n')) expect(text.length).toBeLessThanOrEqual(78);
});

test('long lists and names fold, and no line grows too long', async () => {
  const headers = ['From', ...Array.from({ length: 60 }, (_, index) => `X-Header-Number-${index}`)];
  const domain = `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.example`;
  const signer = new DkimSigner(options({ headers, domain }), new SigningKey(Buffer.from(pem)));
  const line = await signer.sign(SentForm.of(message), NOW);
  const lines = line.split('\r\n');
  expect(lines.length).toBeGreaterThan(20);
  for (const text of lines) expect(text.length).toBeLessThanOrEqual(210);
  expect(lines.slice(1, -1).filter((text) => !/^[ \t]+\S/.test(text))).toEqual([]);
  expect(/h=([^;]+);/.exec(line)![1]!.replace(/\s/g, '')).toBe(headers.join(':'));
});

test('a signature is folded into lines', () => {
  const base64 = 'x'.repeat(344);
  const folded = foldSignature(base64);
  expect(folded.replace(/\r\n\t /g, '')).toBe(base64);
  for (const text of `b=${folded}`.split('\r\n')) expect(text.length).toBeLessThanOrEqual(72);
});

describe('keys', () => {
  const forms = {
    'PKCS #8 PEM': Buffer.from(pem),
    'PKCS #1 PEM': Buffer.from(rsa.privateKey.export({ type: 'pkcs1', format: 'pem' })),
    'PKCS #8 DER': rsa.privateKey.export({ type: 'pkcs8', format: 'der' }),
    'PKCS #1 DER': rsa.privateKey.export({ type: 'pkcs1', format: 'der' }),
    'PEM with CRLF and text before it': Buffer.from(`Key of example.com\r\n${pem.replace(/\n/g, '\r\n')}`),
  };

  test.each(Object.entries(forms))('RSA in %s', async (_, bytes) => {
    const key = new SigningKey(bytes);
    expect(key.algorithm).toBe('rsa-sha256');
    const text = Buffer.from('text');
    const signature = Buffer.from(await key.signAside(text), 'base64');
    expect(verify('sha256', text, rsa.publicKey, signature)).toBe(true);
    expect(signature).toEqual(sign('sha256', text, rsa.privateKey));
  });

  test('Ed25519 in PEM', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const key = new SigningKey(Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })));
    expect([key.algorithm, key.isQuick]).toEqual(['ed25519-sha256', true]);
  });

  const small = generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey;
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const locked = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
  test.each([
    ['', 'it is empty'],
    ['hello', 'it is no private key in PEM or DER'],
    [rsa.publicKey.export({ type: 'spki', format: 'pem' }), 'there is no private key in it'],
    [pem.replace(/\n.{20}/, '\n'), 'its PEM text is damaged'],
    [rsa.privateKey.export(locked), 'it is encrypted; a key without passphrase is needed'],
    [small.export({ type: 'pkcs8', format: 'pem' }), 'it has 512 bits; DKIM takes at least 1024 (RFC 8301)'],
    [curve.export({ type: 'pkcs8', format: 'pem' }), 'it is of type ec; DKIM has rsa and ed25519'],
  ])('what is no key: %#', (bytes, why) => {
    expect(() => new SigningKey(Buffer.from(bytes as string))).toThrow(why);
  });
});

describe('options', () => {
  const key = new SigningKey(ed25519);

  test.each([
    [{ headers: ['To'] }, 'headers: From has to be among them'],
    [{ headers: ['From', 'X;Y'] }, "headers: 'X;Y' is no name of a header"],
    [{ headers: ['From', ''] }, "headers: '' is no name of a header"],
    [{ domain: 'a b' }, "domain: 'a b' is no name for the DNS"],
    [{ domain: 'example.com;' }, "domain: 'example.com;' is no name for the DNS"],
    [{ domain: '' }, "domain: '' is no name for the DNS"],
    [{ selector: 'x\r\nFrom: b' }, "selector: 'x\r\nFrom: b' is no name for the DNS"],
  ])('%j', (more, why) => {
    expect(() => new DkimSigner(options(more), key)).toThrow(why);
  });

  test('names of the DNS', () => {
    const { options: taken } = new DkimSigner(
      options({ domain: 'bücher.example', selector: '2026._a' }),
      key,
    );
    expect([taken.domain, taken.selector]).toEqual(['xn--bcher-kva.example', '2026._a']);
  });

  test('a message whose first line would become part of the signature', () => {
    const signer = new DkimSigner(options(), key);
    expect(() => signer.sign(SentForm.of(Buffer.from(' x\r\nFrom: a\r\n\r\n')), NOW)).toThrow(
      'the message begins with white space',
    );
  });
});
