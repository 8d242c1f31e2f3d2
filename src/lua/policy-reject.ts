import type { DisconnectMode } from '../model/index.ts';

/**
 * kumo.reject and kumo.disconnect: thrown by a binding's `call`, it travels through Lua as an error object that
 * survives pcall and re-raise, and comes out of the handler as a `reject` result (policy-api.md 1.4).
 */
export class PolicyReject extends Error {
  /** SMTP reply code. */
  readonly code: number;
  readonly text: string;
  readonly disconnect: DisconnectMode;

  constructor(code: number, text: string, disconnect: DisconnectMode) {
    super(`${code} ${text}`);
    this.code = code;
    this.text = text;
    this.disconnect = disconnect;
  }
}

/** What kumo.reject and kumo.disconnect throw. */
export function rejectError(code: number, text: string, mode: DisconnectMode = 'If421'): PolicyReject {
  return new PolicyReject(code, text, mode);
}
