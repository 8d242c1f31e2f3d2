import { hash } from 'node:crypto';

/** SHA-256, the one hash of DKIM that is left (RFC 8301 §3.1). */
export const sha256 = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer');
