import type {
  BodyHash,
  DkimVerifier,
  SignatureResult,
  VerifierOptions,
} from 'mailauth/lib/dkim/dkim-verifier.js';
import type { Clock, Resolver } from '../../model/index.ts';
import { type Canonicalization, SentForm } from '../../protocol/dkim/index.ts';
import type { AuthenticationResult } from '../../protocol/mime/index.ts';
import { hasBareLineEnding, normalizeLineEndings } from '../../protocol/smtp/index.ts';
import { headerExcess } from './header-bounds.ts';
import { boundedLookUps, type LookUp } from './look-ups.ts';

/** What the signatures of a message are worth. */
export interface SignatureFindings {
  /** One for each DKIM-Signature, at most 10, from the top; none for a message that is not signed. */
  readonly dkim: readonly AuthenticationResult[];
  /** `none`, `pass` or `fail` (RFC 8617 §5.2). */
  readonly arc: AuthenticationResult;
  /** Sets of the ARC chain, 0 unless it passes. */
  readonly arcSets: number;
}

/** DKIM-Signature headers that are looked at. */
const MOST_SIGNATURES = 10;
/** RFC 8617 §4.2.1: 50 sets of 3 headers. One more is enough to be wrong. */
const MOST_ARC_HEADERS = 151;
/** Octets that are hashed before others may run: about 2 ms. */
const STEP = 128 * 1024;
/** ms for which the findings stand, for a second check of the same message. */
const FRESH = 10_000;

const ARC_HEADERS = new Set(['arc-seal', 'arc-message-signature', 'arc-authentication-results']);

interface Recent {
  readonly resolver: Resolver;
  readonly until: number;
  readonly findings: Promise<SignatureFindings>;
}

/** By the bytes of a message, which are replaced and never changed: DKIM and ARC are asked about one after the other. */
const recent = new WeakMap<Buffer, Recent>();

/** Checks the DKIM-Signatures and the ARC chain of a message (RFC 6376 §6, RFC 8463, RFC 8617 §5.2). */
export function checkSignatures(
  message: Buffer,
  resolver: Resolver,
  clock: Clock,
): Promise<SignatureFindings> {
  const known = recent.get(message);
  if (known?.resolver === resolver && known.until > clock.monotonic()) return known.findings;
  const findings = findingsOf(message, resolver, clock);
  recent.set(message, { resolver, until: clock.monotonic() + FRESH, findings });
  return findings;
}

async function findingsOf(message: Buffer, resolver: Resolver, clock: Clock): Promise<SignatureFindings> {
  const isBare = hasBareLineEnding(message);
  const bytes = isBare ? normalizeLineEndings(message) : message;
  const excess = headerExcess(bytes);
  if (excess !== undefined) return unreadable(excess);
  const lookUp = boundedLookUps(resolver, clock);
  const options = { resolver: lookUp, curTime: new Date(clock.now()), strict: true };
  try {
    const verifier = await verified(bytes, options, clock);
    const chain = await chainResult(verifier, lookUp);
    // What was signed had no such line ending (RFC 6376 §5.3), and receivers differ in what they make of one.
    if (isBare) return { ...chain, dkim: [result('dkim', 'permerror', 'bare CR or LF in the message')] };
    const signed = verifier.results.filter(({ status }) => status.result !== 'none');
    return { ...chain, dkim: signed.map(dkimResult) };
  } catch (error) {
    // Whatever it is that mailauth stumbles over, the message has no good signature.
    return unreadable((error as Error).message.slice(0, 200));
  }
}

function unreadable(reason: string): SignatureFindings {
  return { dkim: [result('dkim', 'permerror', reason)], arc: result('arc', 'fail', reason), arcSets: 0 };
}

async function chainResult(
  verifier: DkimVerifier,
  resolver: LookUp,
): Promise<Pick<SignatureFindings, 'arc' | 'arcSets'>> {
  const { arc } = await import('mailauth/lib/arc/index.js');
  const { i, status } = await arc(verifier.arc, { resolver, strict: true });
  const reason = status.result === 'fail' ? (status.comment ?? 'a key could not be had') : undefined;
  return {
    arc: result('arc', status.result, reason),
    arcSets: status.result === 'pass' && typeof i === 'number' ? i : 0,
  };
}

interface BoundedVerifier extends DkimVerifier {
  /** Canonicalizations in which the body is to be hashed here. */
  readonly wanted: Set<Canonicalization>;
  /** Whether a signature is over a part of the body, or with another hash: mailauth reads the body itself then. */
  readonly readsBody: boolean;
}

type VerifierClass = new (options: VerifierOptions, form: SentForm) => BoundedVerifier;

/** Gives the headers to a verifier, and the body where it has to be, in steps between which others may run. */
async function verified(message: Buffer, options: VerifierOptions, clock: Clock): Promise<DkimVerifier> {
  const form = SentForm.of(message);
  const { bytes, bodyStart } = form;
  const verifier = new (await verifierClass())(options, form);
  const finished = new Promise<void>((resolve, reject) => {
    verifier.once('finish', resolve);
    verifier.once('error', reject);
  });
  // Whoever waits below is told; until then it must not count as a failure that nobody sees.
  finished.catch(() => undefined);
  const pause = (): Promise<void> => new Promise((resolve) => clock.after(0, resolve));
  const write = (chunk: Buffer): Promise<void> =>
    new Promise((resolve) => verifier.write(chunk, () => resolve()));
  await write(bytes.subarray(0, bodyStart));
  for (const canonicalization of verifier.wanted) {
    if (!form.takesLong(canonicalization)) continue;
    for (const _ of form.hashing(canonicalization)) await pause();
  }
  for (let at = bodyStart; verifier.readsBody && at < bytes.length; at += STEP) {
    await write(bytes.subarray(at, at + STEP));
    if (at + STEP < bytes.length) await pause();
  }
  verifier.end();
  await finished;
  return verifier;
}

let bounded: Promise<VerifierClass> | undefined;

/**
 * The verifier of mailauth, which is loaded when the first message is checked, for so many signatures at most. Bodies
 * are hashed by the code that signs, which does it in a third of the time.
 */
function verifierClass(): Promise<VerifierClass> {
  bounded ??= import('mailauth/lib/dkim/dkim-verifier.js').then(
    ({ DkimVerifier }) =>
      class extends DkimVerifier implements BoundedVerifier {
        readonly wanted = new Set<Canonicalization>();
        readsBody = false;
        readonly #form: SentForm;

        constructor(options: VerifierOptions, form: SentForm) {
          super(options);
          this.#form = form;
        }

        override async messageHeaders(headers: DkimVerifier['headers']): Promise<void> {
          const left = { dkim: MOST_SIGNATURES, arc: MOST_ARC_HEADERS };
          const parsed = headers.parsed.filter(({ key }) => {
            if (key === 'dkim-signature') return left.dkim-- > 0;
            return !ARC_HEADERS.has(key) || left.arc-- > 0;
          });
          await super.messageHeaders({ ...headers, parsed });
          // A signature may be over headers that are not looked at themselves.
          this.headers = headers;
        }

        override addBodyHash(canonicalization: string, algorithm: string, length: number | ''): string {
          const isOurs = canonicalization === 'relaxed' || canonicalization === 'simple';
          if (!isOurs || algorithm !== 'sha256' || length !== '') {
            this.readsBody = true;
            return super.addBodyHash(canonicalization, algorithm, length);
          }
          this.wanted.add(canonicalization);
          const key = `whole:${canonicalization}`;
          this.bodyHashes.set(key, wholeBody(this.#form, canonicalization));
          return key;
        }
      },
  );
  return bounded;
}

/** The hash of all of a body, as mailauth asks for one. */
function wholeBody(form: SentForm, canonicalization: Canonicalization): BodyHash {
  return {
    setContentType: () => undefined,
    update: () => undefined,
    digest: () => form.bodyHash(canonicalization),
    getMimeStructureStart: () => undefined,
  };
}

function result(method: string, value: string, reason?: string): AuthenticationResult {
  return { method, result: value, ...(reason !== undefined && { reason }), props: new Map() };
}

/** RFC 8601 §2.7.1. */
function dkimResult({ status }: SignatureResult): AuthenticationResult {
  const found = result('dkim', status.result, status.comment || undefined);
  for (const [ptype, values] of [
    ['header', status.header],
    ['policy', status.policy],
  ] as const) {
    for (const [name, value] of Object.entries(values ?? {})) {
      if (typeof value === 'string' && value !== '') found.props.set(`${ptype}.${name}`, value);
    }
  }
  return found;
}
