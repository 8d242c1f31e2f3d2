import type {
  DeliveryEvent,
  Json,
  JsonObject,
  MaybePromise,
  Message,
  RelayFacts,
} from '../../model/index.ts';
import { type FeedbackReport, parseFeedbackReport } from '../../protocol/arf/index.ts';
import { type DeliveryReport, type PerRecipient, parseDeliveryReport } from '../../protocol/dsn/index.ts';
import { headersOf, headerValue } from '../../protocol/mime/index.ts';
import { parseEnhancedCode, type Reply } from '../../protocol/smtp/index.ts';

/** What becomes of a received message (policy-api.md 1.5). */
export interface Judgement {
  /** `drop`: it is answered with success and goes nowhere; `refuse`: nobody may send it here. */
  verdict: 'relay' | 'drop' | 'refuse';
  /** Set when the message is a report that is to be logged. */
  feedback?: FeedbackReport | undefined;
  bounces?: DeliveryReport | undefined;
  /** For those who watch the session. */
  facts?: RelayFacts | undefined;
}

/** A report is logged where the domain says so, which then also says whether it is relayed. */
export function judge(message: Message, facts: RelayFacts): MaybePromise<Judgement> {
  const { relays, logArf, logOob } = facts;
  const otherwise: Judgement = { verdict: relays ? 'relay' : 'refuse' };
  if (logArf === 'Ignore' && logOob === 'Ignore') return otherwise;
  const data = message.data();
  const look = (bytes: Buffer): Judgement => {
    if (!mayBeReport(bytes)) return otherwise;
    const feedback = logArf === 'Ignore' ? undefined : parsed(parseFeedbackReport, bytes);
    if (feedback !== undefined) return { verdict: logArf === 'LogThenRelay' ? 'relay' : 'drop', feedback };
    const bounces = logOob === 'Ignore' ? undefined : parsed(parseDeliveryReport, bytes);
    if (bounces !== undefined) return { verdict: logOob === 'LogThenRelay' ? 'relay' : 'drop', bounces };
    return otherwise;
  };
  return data instanceof Promise ? data.then(look) : look(data);
}

/** Most mail is no report; its parts need not be looked at. */
function mayBeReport(message: Buffer): boolean {
  const fields = headersOf(message, (name) => name.toLowerCase() === 'content-type');
  return fields.some((field) => /multipart\/report/i.test(String(headerValue(message, field))));
}

/** Malformed reports are mail like any other. */
function parsed<T>(parse: (message: Buffer) => T | undefined, message: Buffer): T | undefined {
  try {
    return parse(message);
  } catch {
    return undefined;
  }
}

/** One record per recipient that the report says failed; its sender is who the report was sent to. */
export function bounceRecords(reception: DeliveryEvent, report: DeliveryReport): DeliveryEvent[] {
  const { subject } = reception;
  const sender = 'recipients' in subject ? (subject.recipients[0]?.email ?? '') : subject.recipient;
  return report.per_recipient
    .filter(({ action }) => action === 'failed')
    .map((failed) => ({
      ...reception,
      type: 'OOB',
      sender,
      recipients: [(failed.original_recipient ?? failed.final_recipient).recipient],
      size: 0,
      response: responseOf(failed),
    }));
}

/** The reply of the remote server when the report quotes it, else 550 (operations.md 9.1). */
function responseOf({ diagnostic_code, status }: PerRecipient): Reply {
  if (diagnostic_code?.diagnostic_type !== 'smtp') {
    return { code: 550, enhanced: status, content: diagnostic_code?.diagnostic ?? '', command: null };
  }
  const [, digits, rest] = /^(?:([2-5]\d\d)[ -]?)?(.*)$/s.exec(diagnostic_code.diagnostic)!;
  const [first, ...words] = rest!.split(' ');
  const enhanced = parseEnhancedCode(first!);
  const content = enhanced === null ? rest! : words.join(' ');
  return { code: Number(digits ?? 550), enhanced: enhanced ?? status, content, command: null };
}

/** Reported messages beyond this many bytes are not written out as a list of bytes when they are not UTF-8. */
const LONGEST_BYTE_LIST = 65_536;

/** The report as the field `feedback_report` of records has it (operations.md 9.3). */
export function feedbackField(report: FeedbackReport): JsonObject {
  const { original_message: original, extensions, reporting_mta, supplemental_trace, ...plain } = report;
  return {
    ...plain,
    reporting_mta: reporting_mta === null ? null : { ...reporting_mta },
    extensions: Object.fromEntries(extensions),
    original_message: typeof original === 'object' && original !== null ? bytesField(original) : original,
    supplemental_trace: supplemental_trace as Json,
  };
}

function bytesField(bytes: Buffer): Json {
  return bytes.length > LONGEST_BYTE_LIST ? bytes.toString() : [...bytes];
}
