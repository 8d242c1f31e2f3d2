/** Reports are not looked for, or logged and then taken nowhere, or logged and sent on. */
export type ReportHandling = 'Ignore' | 'LogThenDrop' | 'LogThenRelay';

/** Policy could not say: it raised an error, or took too long and was stopped. */
export type RelayFailure = 'failed' | 'stopped';

/** What a client may do with mail for a recipient, by the listener and its domains (policy-api.md 1.5). */
export interface RelayFacts {
  /** It may send mail there. */
  relays: boolean;
  /** What happens to feedback reports for that domain. */
  logArf: ReportHandling;
  /** What happens to delivery reports for that domain. */
  logOob: ReportHandling;
}
