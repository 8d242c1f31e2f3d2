import type { LogRecord } from '../model/index.ts';
import { plain } from './output.ts';

/** A record in one line for people: when, what, for whom, which way, and what was answered. */
export function recordLine(record: Partial<LogRecord>): string {
  const { type = '?', event_time = '', sender = '', recipient = '', queue = '', response, id = '' } = record;
  const to = Array.isArray(recipient) ? `${recipient[0]} +${recipient.length - 1}` : recipient;
  const about = [
    queue === '' || queue === domainOf(to) ? '' : `queue=${queue}`,
    record.egress_source == null ? '' : `source=${record.egress_source}`,
    peerOf(record),
    Number(record.num_attempts) > 0 ? `attempts=${record.num_attempts}` : '',
    id === '' ? '' : `id=${id}`,
  ].filter((part) => part !== '');
  const time = event_time.replace('T', ' ').replace(/(\.\d{3})\d*Z$/, '$1Z');
  const said = [response?.code, enhanced(response?.enhanced_code), response?.content].filter(
    (part) => part !== undefined && part !== '',
  );
  return plain(
    `${time} ${type.padEnd(16)} <${sender}> -> <${to}> ${about.join(' ')}: ${said.join(' ')}`.trimEnd(),
  );
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

function peerOf({ peer_address: peer }: Partial<LogRecord>): string {
  if (peer == null) return '';
  return peer.name === '' ? `peer=${peer.addr}` : `peer=${peer.name}[${peer.addr}]`;
}

function enhanced(code: unknown): string {
  if (typeof code !== 'object' || code === null) return '';
  const { class: first, subject, detail } = code as Record<string, unknown>;
  return `${first}.${subject}.${detail}`;
}
