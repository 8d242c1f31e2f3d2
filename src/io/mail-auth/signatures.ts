import type { DkimVerifier, SignatureResult, VerifierOptions } from 'mailauth/lib/dkim/dkim-verifier.js';
import type { Clock, Resolver } from '../../model/index.ts';
import { type AuthenticationResult, endOfHeaders } from '../../protocol/mime/index.ts';
import { hasBareLineEnding, normalizeLineEndings } from '../../protocol/smtp/index.ts';
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
/** Octets of headers; no signature over more of them is looked at. */
const MOST_HEADERS = 512 * 1024;
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
  const end = endOfHeaders(bytes);
  if ((end < 0 ? bytes.length : end) > MOST_HEADERS) {
    const reason = `more than ${MOST_HEADERS} octets of headers`;
    return {
      dkim: [result('dkim', 'permerror', reason)],
      arc: result('arc', 'fail', reason),
      arcSets: 0,
    };
  }
  const lookUp = boundedLookUps(resolver, clock);
  const verifier = await verified(
    bytes,
    { resolver: lookUp, curTime: new Date(clock.now()), strict: true },
    clock,
  );
  const arc = await chainResult(verifier, lookUp);
  // What was signed had no such line ending (RFC 6376 §5.3), and receivers differ in what they make of one.
  if (isBare) return { dkim: [result('dkim', 'permerror', 'bare CR or LF in the message')], ...arc };
  const signed = verifier.results.filter(({ status }) => status.result !== 'none');
  return { dkim: signed.map(dkimResult), ...arc };
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

/** Feeds the message to a verifier, in steps between which others may run. */
async function verified(message: Buffer, options: VerifierOptions, clock: Clock): Promise<DkimVerifier> {
  const verifier = new (await verifierClass())(options);
  const finished = new Promise<void>((resolve, reject) => {
    verifier.once('finish', resolve);
    verifier.once('error', reject);
  });
  for (let at = 0; at < message.length - STEP; at += STEP) {
    await new Promise<void>((resolve) => verifier.write(message.subarray(at, at + STEP), () => resolve()));
    await new Promise<void>((resolve) => clock.after(0, resolve));
  }
  verifier.end(message.subarray(lastStep(message.length)));
  await finished;
  return verifier;
}

function lastStep(length: number): number {
  return length <= STEP ? 0 : Math.floor((length - 1) / STEP) * STEP;
}

let bounded: Promise<new (options: VerifierOptions) => DkimVerifier> | undefined;

/** The verifier of mailauth, which is loaded when the first message is checked, for so many signatures at most. */
function verifierClass(): Promise<new (options: VerifierOptions) => DkimVerifier> {
  bounded ??= import('mailauth/lib/dkim/dkim-verifier.js').then(
    ({ DkimVerifier }) =>
      class extends DkimVerifier {
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
      },
  );
  return bounded;
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
