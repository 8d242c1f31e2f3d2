import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import {
  type Canonicalization,
  DkimSigner,
  type DkimSignerOptions,
  SentForm,
  SigningKey,
} from '../../src/protocol/dkim/index.ts';
import { dotStuff, dotUnstuff } from '../../src/protocol/smtp/index.ts';

/** Mail of many shapes for verifiers of DKIM, each made from a number: the same number gives the same message. */

export interface MailOptions {
  /**
   * White space between the name of a header and its colon (RFC 5322 §4.5.8), and vertical tabs and form feeds in
   * headers, both of which dkimpy reads in its own way.
   */
  readonly obsolete: boolean;
}

/** Gives numbers from 0 to 1 that look random and follow from the seed (mulberry32). */
export function numbersFrom(seed: number): () => number {
  let state = Math.imul(seed, 2_654_435_761) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Choice {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = numbersFrom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  chance(share: number): boolean {
    return this.#next() < share;
  }

  of<T>(...values: T[]): T {
    return values[this.below(values.length)]!;
  }

  many<T>(count: number, make: () => T): T[] {
    return Array.from({ length: count }, make);
  }
}

const NAMES = ['To', 'Cc', 'Subject', 'Date', 'Message-ID', 'Reply-To', 'X-Mailer', 'List-Unsubscribe'];

/** Text in latin1: any octets. */
const WORDS = [
  ...[
    'a',
    'word',
    'Gr\xc3\xbc\xc3\x9fe',
    '\xa0',
    '\xff\xfe',
    '"quoted; text"',
    '=?utf-8?q?x?=',
    '<a@b.example>',
  ],
  ...['b=', 'bh=x;', '.', ':', ';', '\x0b\x0c', '\x00', '\x85', 'x'.repeat(90)],
];

function value(choice: Choice, words: readonly string[]): string {
  const gaps = [' ', ' ', '  ', '\t', '\r\n ', '\r\n\t', ' \r\n  ', '\t\r\n \t'];
  if (choice.chance(0.1)) return choice.of('', ' ', '\t ', '\r\n x', 'y'.repeat(900));
  return choice
    .many(1 + choice.below(9), () => `${choice.of(...words)}${choice.chance(0.6) ? choice.of(...gaps) : ''}`)
    .join('');
}

/** A header without anything that would be an empty line within it, which would end the headers. */
function header(choice: Choice, name: string, { obsolete }: MailOptions): string {
  const written = choice.of(name, name, name.toLowerCase(), name.toUpperCase());
  const colon = obsolete && choice.chance(0.05) ? choice.of(' :', '\t:') : ':';
  // A fold with nothing but white space after it is obsolete as well, and read in more than one way.
  const words = obsolete ? WORDS : WORDS.filter((word) => !/[\x0b\x0c]/.test(word));
  const text = value(choice, words).replace(/(?:[ \t]*\r\n)+(?=[ \t]*(?:\r\n|$))/g, '');
  return `${written}${colon}${choice.of('', ' ', ' ', '  ', '\t')}${text}\r\n`;
}

function body(choice: Choice): string {
  if (choice.chance(0.1))
    return choice.of('', '\r\n', '\r\n\r\n\r\n', ' ', ' \r\n\t\r\n', 'no end', 'x\r\n'.repeat(3000));
  const line = (): string =>
    choice.of('', '', ' ', '.', '..', '\t', ' lead', 'trail ', `${'long '.repeat(250)}`, 'x'.repeat(5000)) +
    choice.many(choice.below(6), () => choice.of(...WORDS) + choice.of('', ' ', '  ', '\t', ' \t ')).join('');
  const ends = choice.chance(0.1) ? ['\r\n', '\n', '\r'] : ['\r\n'];
  const text = choice.many(1 + choice.below(12), () => line() + choice.of(...ends)).join('');
  return text + choice.of('', '', '\r\n'.repeat(choice.below(20)), ' \r\n\r\n', 'last line without end ');
}

/** The bytes of a message that has a From header, before they are signed. */
export function dkimMail(seed: number, options: MailOptions): Buffer {
  const choice = new Choice(seed);
  const headers = choice.many(choice.below(12), () => header(choice, choice.of(...NAMES), options));
  const from = `From: ${choice.of('a@example.com', '"A; b" <a@example.com>', '\xc3\xa9\r\n\t<a@example.com>')}\r\n`;
  headers.splice(choice.below(headers.length + 1), 0, from);
  if (choice.chance(0.03)) headers.splice(choice.below(headers.length + 1), 0, 'From: b@example.org\r\n');
  const end = choice.chance(0.02) ? '' : `\r\n${body(choice)}`;
  return Buffer.from(headers.join('') + end, 'latin1');
}

const PAIRS = {
  rsa1024: generateKeyPairSync('rsa', { modulusLength: 1024 }),
  rsa2048: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ed25519: generateKeyPairSync('ed25519'),
};
export type KeyName = keyof typeof PAIRS;
const KEYS = Object.fromEntries(
  Object.entries(PAIRS).map(([name, { privateKey }]) => [
    name,
    new SigningKey(privateKey.export({ type: 'pkcs8', format: 'der' })),
  ]),
) as Record<KeyName, SigningKey>;

/** The TXT records of all keys, by name: the selector is the name of the key, of whatever domain. */
export function dkimRecord(key: KeyName): string {
  const spki = createPublicKey(PAIRS[key].privateKey).export({ type: 'spki', format: 'der' });
  // RFC 8463 §4: the bare key, without the frame of 12 octets around it.
  if (key === 'ed25519') return `v=DKIM1; k=ed25519; p=${spki.subarray(12).toString('base64')}`;
  return `v=DKIM1; k=rsa; p=${spki.toString('base64')}`;
}

export const dkimDomains = ['example.com', 'sub.example.org', `${'very-'.repeat(11)}long.example`];
export const dkimKeys = Object.keys(PAIRS) as KeyName[];

function signerOptions(choice: Choice, key: KeyName): DkimSignerOptions {
  const canonicalization = (): Canonicalization => choice.of('simple', 'relaxed', 'relaxed');
  const names = choice.many(choice.below(12), () => choice.of(...NAMES, 'Missing', 'Sender'));
  names.splice(choice.below(names.length + 1), 0, choice.of('From', 'from'));
  return {
    domain: choice.of(...dkimDomains),
    selector: key,
    headers: names,
    headerCanonicalization: canonicalization(),
    bodyCanonicalization: canonicalization(),
    expiration: choice.chance(0.5) ? 3600 : undefined,
    overSign: choice.chance(0.5),
  };
}

export interface SignedMail {
  /** What a receiver gets by SMTP. */
  readonly received: Buffer;
  readonly signatures: number;
}

/** The message of this seed with one signature or more, as it comes out at the other end of an SMTP connection. */
export async function signedMail(seed: number, options: MailOptions): Promise<SignedMail> {
  const choice = new Choice(~seed);
  let message = dkimMail(seed, options);
  let form = SentForm.of(message);
  const signatures = choice.of(1, 1, 1, 2, 3);
  for (let count = 0; count < signatures; count++) {
    const key = choice.of<KeyName>('rsa1024', 'rsa1024', 'rsa2048', 'ed25519');
    const line = Buffer.from(
      await new DkimSigner(signerOptions(choice, key), KEYS[key]).sign(form, Date.now()),
    );
    message = Buffer.concat([line, message]);
    form = form.prepended(line, message);
  }
  const wire = Buffer.concat(dotStuff(message));
  // Without the lone dot that ends it.
  return { received: dotUnstuff(wire.subarray(0, -3)), signatures };
}
