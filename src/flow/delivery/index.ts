export type { Dial } from '../../io/net/index.ts';
export { type Candidate, ConnectFailure, type ConnectFailureKind, peerAddressOf } from './candidate.ts';
export { ClientTrace } from './client-trace.ts';
export { type ConnectRequest, connectSmtp } from './connect.ts';
export { deliverToMaildirs, type MaildirTarget } from './maildir.ts';
export type { SmtpPathOptions, SmtpSourceOptions } from './path-options.ts';
export { PeerSecurity, type PeerSecurityParts } from './peer-security.ts';
export { type AttemptRequest, type AttemptResult, SmtpSession } from './session.ts';
export type { RewriteStatus } from './settle.ts';
