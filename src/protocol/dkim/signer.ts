import { domainToASCII } from 'node:url';
import { HeaderError } from '../mime/index.ts';
import type { Canonicalization } from './canonical-body.ts';
import { canonicalHeader } from './canonical-header.ts';
import { selectHeaders } from './header-selection.ts';
import type { SentForm } from './sent-form.ts';
import { foldSignature, signatureField } from './signature-field.ts';
import type { SigningKey } from './signing-key.ts';

export interface DkimSignerOptions {
  /** `d=`. */
  readonly domain: string;
  /** `s=`. */
  readonly selector: string;
  /** Names of the headers to sign; From is among them. */
  readonly headers: readonly string[];
  readonly headerCanonicalization: Canonicalization;
  readonly bodyCanonicalization: Canonicalization;
  /** Seconds for which a signature is good; undefined for ever. */
  readonly expiration: number | undefined;
  /** Signs the absence of further headers of each name. */
  readonly overSign: boolean;
}

/** Options that no signature can be made with. */
export class DkimSignerError extends Error {}

/** Runs work on another thread, at once or when there is room. */
export type Aside = (work: () => Promise<string>) => Promise<string>;

const NAME = 'DKIM-Signature';

/** Makes the DKIM signatures of one domain, selector and key (RFC 6376 §5). */
export class DkimSigner {
  readonly options: DkimSignerOptions;
  readonly key: SigningKey;

  /** Throws DkimSignerError. */
  constructor(options: DkimSignerOptions, key: SigningKey) {
    const { headers } = options;
    for (const name of headers) checkHeaderName(name);
    // RFC 6376 §5.4.
    if (!headers.some((name) => name.toLowerCase() === 'from')) {
      throw new DkimSignerError('headers: From has to be among them');
    }
    const domain = dnsName('domain', options.domain);
    this.options = { ...options, domain, selector: dnsName('selector', options.selector) };
    this.key = key;
  }

  /**
   * The header line DKIM-Signature for the message, with its CRLF, to be put before all others. `now` is in ms since
   * 1970. RSA is done `aside`. Throws HeaderError when the message cannot be signed.
   */
  sign(message: SentForm, now: number, aside: Aside = (work) => work()): string | Promise<string> {
    const { field, text } = this.#draft(message, now);
    const finish = (signature: string) => `${field}${foldSignature(signature)}\r\n`;
    if (this.key.isQuick) return finish(this.key.signNow(text));
    return aside(() => this.key.signAside(text)).then(finish);
  }

  /** The field as it is before its signature, and the text that the signature is of (RFC 6376 §3.7). */
  #draft(message: SentForm, now: number): { field: string; text: Buffer } {
    const { domain, selector, expiration, headerCanonicalization, bodyCanonicalization } = this.options;
    const { bytes } = message;
    if (bytes[0] === 0x20 || bytes[0] === 0x09) {
      throw new HeaderError('the message begins with white space, which would become part of the signature');
    }
    const { names, fields } = selectHeaders(bytes, this.options.headers, this.options.overSign);
    const time = Math.floor(now / 1000);
    const field = signatureField({
      algorithm: this.key.algorithm,
      headerCanonicalization,
      bodyCanonicalization,
      domain,
      selector,
      time,
      expires: expiration === undefined ? undefined : time + expiration,
      headers: names,
      bodyHash: message.bodyHash(bodyCanonicalization),
    });
    const signed = fields.map((one) => canonicalHeader(headerCanonicalization, bytes, one));
    return { field, text: Buffer.concat([...signed, canonicalOwn(headerCanonicalization, field)]) };
  }
}

/** RFC 6376 §3.7: the field itself comes last, with nothing after `b=`, and without its CRLF. */
function canonicalOwn(canonicalization: Canonicalization, field: string): Buffer {
  const bytes = Buffer.from(field);
  const place = { name: NAME, start: 0, valueStart: NAME.length + 1, end: bytes.length };
  return canonicalHeader(canonicalization, bytes, place).subarray(0, -2);
}

/** RFC 5322 §3.6.8; a semicolon would end `h=`. */
function checkHeaderName(name: string): void {
  if (/^[!-9<-~]+$/.test(name)) return;
  throw new DkimSignerError(`headers: '${name.slice(0, 100)}' is no name of a header`);
}

const LABELS = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/i;

/** RFC 6376 §3.5, RFC 8616 §3: the labels as the DNS has them. */
function dnsName(what: string, name: string): string {
  const ascii = /^[\0-\x7f]*$/.test(name) ? name : domainToASCII(name);
  if (ascii.length <= 253 && LABELS.test(ascii)) return ascii;
  throw new DkimSignerError(`${what}: '${name.slice(0, 300)}' is no name for the DNS`);
}
