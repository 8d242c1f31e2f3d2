import {
  type Aside,
  type Canonicalization,
  canonicalHeader,
  type DkimSigner,
  foldSignature,
  type SentForm,
  selectHeaders,
  signatureField,
} from '../dkim/index.ts';
import { type AuthenticationResult, formatAuthenticationResults, headersOf } from '../mime/index.ts';

export interface ArcSeal {
  readonly signer: DkimSigner;
  /** Who checked the message, for ARC-Authentication-Results. */
  readonly serverId: string;
  readonly results: readonly AuthenticationResult[];
  /** Sets that the message has, all of them good; 0 when there is no chain. */
  readonly sets: number;
}

/** RFC 8617 §4.2.1. */
export const MOST_ARC_SETS = 50;

const RESULTS = 'ARC-Authentication-Results';
const SIGNATURE = 'ARC-Message-Signature';
const SEAL = 'ARC-Seal';
/** The order in which the headers of a set are sealed (RFC 8617 §5.1.1). */
const SEALED = [RESULTS, SIGNATURE, SEAL].map((name) => name.toLowerCase());
/** Not signed by ARC-Message-Signature (RFC 8617 §4.1.2); results of others are taken out on the way. */
const UNSIGNED = new Set([...SEALED, 'authentication-results']);

/**
 * The three header lines of the next ARC set, with their CRLF, to be put before all others (RFC 8617 §5.1). `now` is in
 * ms since 1970. RSA is done `aside`. Throws HeaderError when the message cannot be signed.
 */
export async function arcSet(message: SentForm, seal: ArcSeal, now: number, aside: Aside): Promise<string> {
  const { signer, sets } = seal;
  const instance = sets + 1;
  const time = Math.floor(now / 1000);
  const found = formatAuthenticationResults({ serv_id: seal.serverId, results: [...seal.results] });
  const results = `${RESULTS}: i=${instance}; ${found}`;
  const signature = await signed(signer, signatureDraft(message, signer, instance, time), aside);
  const { algorithm } = signer.key;
  const { domain, selector } = signer.options;
  const chain = sets === 0 ? 'none' : 'pass';
  const field = `${SEAL}: i=${instance}; a=${algorithm}; t=${time}; cv=${chain};\r\n\td=${domain}; s=${selector};\r\n\tb=`;
  const text = Buffer.concat([
    ...earlierSets(message, sets),
    canonical('relaxed', RESULTS, results),
    canonical('relaxed', SIGNATURE, signature),
    withoutEnd(canonical('relaxed', SEAL, field)),
  ]);
  return `${await signed(signer, { field, text }, aside)}\r\n${signature}\r\n${results}\r\n`;
}

interface Draft {
  /** The header up to the value of `b=`. */
  readonly field: string;
  /** What the signature is of. */
  readonly text: Buffer;
}

async function signed({ key }: DkimSigner, { field, text }: Draft, aside: Aside): Promise<string> {
  const signature = key.isQuick ? key.signNow(text) : await aside(() => key.signAside(text));
  return `${field}${foldSignature(signature)}`;
}

/** ARC-Message-Signature is as DKIM-Signature, with `i=` for the set and without `v=` (RFC 8617 §4.1.2). */
function signatureDraft(message: SentForm, signer: DkimSigner, instance: number, time: number): Draft {
  const { headers, headerCanonicalization, bodyCanonicalization, domain, selector, overSign } =
    signer.options;
  const wanted = headers.filter((name) => !UNSIGNED.has(name.toLowerCase()));
  const { names, fields } = selectHeaders(message.bytes, wanted, overSign);
  const tags = {
    algorithm: signer.key.algorithm,
    headerCanonicalization,
    bodyCanonicalization,
    domain,
    selector,
    time,
    expires: undefined,
    headers: names,
    bodyHash: message.bodyHash(bodyCanonicalization),
  };
  const field = signatureField(tags, `${SIGNATURE}: i=${instance};`);
  const text = Buffer.concat([
    ...fields.map((one) => canonicalHeader(headerCanonicalization, message.bytes, one)),
    withoutEnd(canonical(headerCanonicalization, SIGNATURE, field)),
  ]);
  return { field, text };
}

/** What earlier seals were over, and they themselves. */
function earlierSets({ bytes }: SentForm, sets: number): Buffer[] {
  if (sets === 0) return [];
  const placed = headersOf(bytes, (name) => SEALED.includes(name.toLowerCase())).map((field) => {
    const value = bytes.toString('latin1', field.valueStart, field.end);
    const instance = Number(/(?:^|;)\s*i\s*=\s*(\d{1,2})/.exec(value)?.[1]);
    return { field, rank: instance * SEALED.length + SEALED.indexOf(field.name.toLowerCase()) };
  });
  return placed
    .sort((one, other) => one.rank - other.rank)
    .map(({ field }) => canonicalHeader('relaxed', bytes, field));
}

/** A header of ours, which has no CRLF yet. */
function canonical(canonicalization: Canonicalization, name: string, field: string): Buffer {
  const bytes = Buffer.from(field);
  return canonicalHeader(canonicalization, bytes, {
    name,
    start: 0,
    valueStart: name.length + 1,
    end: bytes.length,
  });
}

/** RFC 6376 §3.7: a header that signs itself comes last, without its CRLF. */
function withoutEnd(header: Buffer): Buffer {
  return header.subarray(0, -2);
}
