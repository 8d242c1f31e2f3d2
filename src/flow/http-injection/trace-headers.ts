import type { Message } from '../../model/index.ts';
import { supplementalHeader } from '../../model/index.ts';
import { formatDate, formatHeader } from '../../protocol/mime/index.ts';
import { orUnfit } from './refusal.ts';
import type { InjectionRequest } from './request.ts';

export interface TraceHeaders {
  received: boolean;
  /** Name of the supplemental header; undefined when there is to be none. */
  supplemental: string | undefined;
  metaNames: readonly string[];
}

/** Without the object there is no Received header, with it there is one (operations.md 4.4). Throws InjectionRefused. */
export function traceHeadersOf({ trace_headers: given }: InjectionRequest): TraceHeaders {
  const { received_header: received, supplemental_header: supplemental = true } = given ?? {};
  const name = given?.header_name ?? 'X-KumoRef';
  orUnfit('trace_headers.header_name: ', () => formatHeader(name, ''));
  return {
    received: given === undefined ? false : (received ?? true),
    supplemental: supplemental ? name : undefined,
    metaNames: given?.include_meta_names ?? [],
  };
}

export interface ReceivedFacts {
  senderDomain: string;
  peer: string;
  hostname: string;
  id: string;
  recipient: string;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The Received header with its CRLF (RFC 5321 §4.4). */
export function receivedHeader(facts: ReceivedFacts): string {
  return (
    `Received: from ${facts.senderDomain || 'unspecified'} (${facts.peer})\r\n` +
    `  by ${facts.hostname} (Moonpost)\r\n` +
    `  with HTTP id ${facts.id} for <${facts.recipient}>;\r\n` +
    `  ${formatDate(facts.now)}\r\n`
  );
}

/** Adds the supplemental header, when there is to be one. */
export async function addSupplemental(message: Message, trace: TraceHeaders): Promise<void> {
  if (trace.supplemental === undefined) return;
  const recipients = message.recipients.map(String);
  const header = supplementalHeader(trace.supplemental, recipients, message.meta, trace.metaNames);
  message.setData(Buffer.concat([Buffer.from(header), await message.data()]));
}
