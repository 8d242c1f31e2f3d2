import { originalMessage, parseReportFields, type RemoteMta, ReportError, typedValue } from '../dsn/index.ts';
import { headersOf, headerValue, parseMime } from '../mime/index.ts';

/** An abuse report (RFC 5965 §3); null is what was not given. Names as in the log field feedback_report. */
export interface FeedbackReport {
  feedback_type: string;
  user_agent: string;
  version: string;
  /** RFC 3339 text. */
  arrival_date: string | null;
  incidents: number | null;
  original_envelope_id: string | null;
  original_mail_from: string | null;
  reporting_mta: RemoteMta | null;
  source_ip: string | null;
  authentication_results: string[];
  /** Spelled as in KumoMTA. */
  original_rcpto_to: string[];
  reported_domain: string[];
  reported_uri: string[];
  extensions: Map<string, string[]>;
  original_message: string | Buffer | null;
  /** What our supplemental trace header in the reported message says, without its marker. */
  supplemental_trace: { [name: string]: unknown } | null;
}

/**
 * Reads a feedback report. Undefined when the message is none. Throws ReportError when it says it is one and is
 * malformed, and MimeError beyond the caps of the MIME parser.
 */
export function parseFeedbackReport(message: Buffer): FeedbackReport | undefined {
  const root = parseMime(message);
  const { type, parameters } = root.contentType;
  if (type !== 'multipart/report' || parameters.get('report-type')?.toLowerCase() !== 'feedback-report') {
    return undefined;
  }
  const part = root.children.find((child) => child.contentType.type === 'message/feedback-report');
  if (part === undefined) throw new ReportError('the report has no message/feedback-report');
  const [fields] = parseReportFields(part.decodedBody.toString());
  if (fields === undefined) throw new ReportError('the feedback report is empty');
  const original = originalMessage(root);
  const mta = fields.take('reporting-mta');
  const incidents = fields.take('incidents');
  return {
    feedback_type: fields.require('feedback-type'),
    user_agent: fields.require('user-agent'),
    version: fields.require('version'),
    // RFC 5965 §3.2 says Arrival-Date; Received-Date is what older reports have.
    arrival_date: fields.has('arrival-date')
      ? fields.takeDate('arrival-date')
      : fields.takeDate('received-date'),
    incidents: incidents === null ? null : count(incidents),
    original_envelope_id: fields.take('original-envelope-id'),
    original_mail_from: fields.take('original-mail-from'),
    reporting_mta: mta === null ? null : named(mta),
    source_ip: fields.take('source-ip'),
    authentication_results: fields.takeAll('authentication-results'),
    original_rcpto_to: fields.takeAll('original-rcpt-to'),
    reported_domain: fields.takeAll('reported-domain'),
    reported_uri: fields.takeAll('reported-uri'),
    extensions: fields.extensions,
    original_message: original,
    supplemental_trace: original === null ? null : supplementalTrace(Buffer.from(original as string)),
  };
}

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new ReportError(`incidents: '${text}' is no number`);
  return Number(text);
}

function named(text: string): RemoteMta {
  const [mta_type, name] = typedValue('reporting-mta', text);
  return { mta_type, name };
}

const MARKER = '_@_';

/** The metadata in the first X- header that holds base64 of a JSON object with our marker; null when none does. */
export function supplementalTrace(message: Buffer): { [name: string]: unknown } | null {
  for (const field of headersOf(message, (name) => /^x-/i.test(name))) {
    const text = String(headerValue(message, field)).replace(/\s+/g, '');
    if (text.length < 8 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) continue;
    const decoded = Buffer.from(text, 'base64').toString();
    if (!decoded.startsWith('{') || !decoded.includes(MARKER)) continue;
    try {
      const { [MARKER]: marker, ...trace } = JSON.parse(decoded) as Record<string, unknown>;
      if (marker !== undefined) return trace;
    } catch {
      // Something else that looks like base64.
    }
  }
  return null;
}
