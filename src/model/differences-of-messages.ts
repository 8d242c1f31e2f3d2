import { type Difference, decided } from './difference.ts';

/** Differences of message methods, headers and MIME parts. */
export const messageDifferences: readonly Difference[] = [
  decided('method', 'headermap:set_resent_from', 'Writes Resent-From. KumoMTA writes From.'),
  decided(
    'behaviour',
    'caps of MIME',
    'Parts that nest deeper than 100, more than 1,000 parts or 10,000 headers in one part raise an error. check_fix_conformance returns its text.',
  ),
  decided(
    'method',
    'message:check_fix_conformance',
    'Mends only the headers and parts that have a fault and keeps the bytes of all others; KumoMTA builds the whole message anew. detect_encoding takes UTF-8 where the text is valid, else the first of include_encodings (default windows-1252) in which it has a meaning.',
  ),
  decided(
    'method',
    'message:save',
    'Writes content, envelope, metadata and scheduling. A message that is not in the spool yet is written before it is acknowledged.',
  ),
  decided('method', 'message:set_force_sync', 'Without effect: what is saved is on disk before it counts.'),
  decided(
    'method',
    'message:import_x_headers',
    'A header whose text is not UTF-8 is read as UTF-8 with replacement characters, since metadata is JSON.',
  ),
  decided(
    'method',
    'message:set_scheduling',
    'Takes the days as a list too; end is inside the window, to the second.',
  ),
  decided(
    'function',
    'kumo.generate_rfc3464_message',
    'Gives nil also for records of messages from the null sender and from log hooks, so that no mail can go in circles.',
  ),
];
