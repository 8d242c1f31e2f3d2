/** The parts of mailauth that are used here and have no types of their own, or not these. */
declare module 'mailauth/lib/dkim/dkim-verifier.js' {
  import type { Writable } from 'node:stream';

  export interface HeaderRow {
    /** The name in lower case. */
    key: string;
    line: Buffer;
  }

  export interface HeaderRows {
    parsed: HeaderRow[];
  }

  export interface BodyHash {
    hash?: string;
    setContentType(type: unknown): void;
    update(chunk: Buffer): void;
    digest(encoding: 'base64'): string;
    getMimeStructureStart(): number | undefined;
  }

  export interface SignatureResult {
    status: {
      result: string;
      comment?: string | false;
      header?: Record<string, unknown>;
      policy?: Record<string, unknown>;
    };
  }

  export interface VerifierOptions {
    resolver: (name: string, type: string) => Promise<unknown[]>;
    curTime: Date;
    strict: boolean;
    sender?: string;
  }

  export class DkimVerifier extends Writable {
    constructor(options: VerifierOptions);
    headers: HeaderRows;
    results: SignatureResult[];
    arc: { chain: unknown[] | false };
    /** By the keys that addBodyHash gives. */
    bodyHashes: Map<string, BodyHash>;
    messageHeaders(headers: HeaderRows): Promise<void>;
    /** `length` is the value of l=, or '' where there is none. */
    addBodyHash(canonicalization: string, algorithm: string, length: number | ''): string;
  }
}

declare module 'mailauth/lib/arc/index.js' {
  export function arc(
    chain: unknown,
    options: { resolver: (name: string, type: string) => Promise<unknown[]>; strict: boolean },
  ): Promise<{ i?: number | false; status: { result: string; comment?: string } }>;
}

declare module 'mailauth/lib/spf/index.js' {
  export function spf(options: {
    sender: string;
    ip: string;
    helo: string;
    strict: boolean;
    resolver: (name: string, type: string) => Promise<unknown[]>;
  }): Promise<{ status: { result: string; comment?: string }; explanation?: string }>;
}

declare module 'mailauth/lib/dmarc/index.js' {
  export function evaluateDmarc(options: {
    headerFrom: string[];
    fromFields: number;
    spfDomains: { domain: string }[];
    dkimDomains: { domain: string }[];
    strict: boolean;
    resolver: (name: string, type: string) => Promise<unknown[]>;
  }): Promise<{
    response: false | { status: { result: string; comment?: string }; policy?: string; error?: string };
    reason?: string;
  }>;
}
