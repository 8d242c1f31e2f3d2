export type {
  ReceivedTransaction,
  ReceptionAnswer,
  RejectionRecord,
  SmtpServerMetrics,
  SmtpServerOptions,
  SmtpServerParameters,
} from './parameters.ts';
export { SmtpServer } from './server.ts';
