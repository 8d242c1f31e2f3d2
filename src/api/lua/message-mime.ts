import {
  type CallContext,
  makeKind,
  methodsOf,
  optional,
  PolicyValueError,
  type RichKind,
  string,
  unchecked,
} from '../../model/define/index.ts';
import type { Message } from '../../model/index.ts';
import {
  appendTextHtml,
  appendTextPlain,
  CONFORMANCE_LABELS,
  type ConformanceLabel,
  conformanceIssues,
  detectCharset,
  fixConformance,
  type MimePart,
  parseMime,
} from '../../protocol/mime/index.ts';
import { withData } from './message-data.ts';

const method = methodsOf<Message>();

/** Labels with `|` between them; '' for none. */
function labels(): RichKind<ConformanceLabel[]> {
  return makeKind('labels', 'string', (value, at) => {
    if (typeof value !== 'string') throw new PolicyValueError(`${at}: expected labels such as LINE_TOO_LONG`);
    const names = value.split('|').map((name) => name.trim());
    return names
      .filter((name) => name !== '')
      .map((name) => {
        if ((CONFORMANCE_LABELS as readonly string[]).includes(name)) return name as ConformanceLabel;
        throw new PolicyValueError(
          `${at}: unknown label '${name}', known are ${CONFORMANCE_LABELS.join(', ')}`,
        );
      });
  });
}

interface ConformanceSettings {
  detect_encoding?: unknown;
  include_encodings?: unknown;
  exclude_encodings?: unknown;
  message_id?: unknown;
}

const listOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

/** The text of what is wrong, or null when nothing is or all was mended. */
function checkAndFix(
  message: Message,
  data: Buffer,
  checks: readonly ConformanceLabel[],
  fixes: readonly ConformanceLabel[],
  settings: ConformanceSettings,
  { host }: CallContext,
): string | null {
  try {
    const issues = conformanceIssues(data);
    const refused = issues.filter((label) => checks.includes(label) && !fixes.includes(label));
    if (refused.length > 0) return `Message has conformance issues: ${refused.join('|')}`;
    const faults = issues.filter((label) => fixes.includes(label));
    if (faults.length === 0) return null;
    const { message_id, detect_encoding, include_encodings, exclude_encodings } = settings;
    const detects = detect_encoding !== undefined && detect_encoding !== false;
    const domain = message.sender.domain || 'localhost';
    message.setData(
      fixConformance(data, faults, {
        now: host.clock.now(),
        messageId: typeof message_id === 'string' ? message_id : `${message.id}@${domain}`,
        charsetOf: detects
          ? (text) => detectCharset(text, listOf(include_encodings), listOf(exclude_encodings))
          : undefined,
      }),
    );
    return null;
  } catch (error) {
    // Whatever cannot be checked or mended is told, not raised (policy-api.md section 3).
    return (error as Error).message;
  }
}

/** Edits the parts of a message; what `edit` answers is the result. */
function editMime(message: Message, data: Buffer, edit: (root: MimePart) => boolean): boolean {
  const root = parseMime(data);
  const isEdited = edit(root);
  if (isEdited) message.setData(root.bytes);
  return isEdited;
}

export const mimeMethods = {
  check_fix_conformance: method({
    params: { checks: labels(), fixes: labels(), settings: optional(unchecked('table')) },
    returns: 'string|nil',
    doc: `Looks for faults and mends those in fixes. Labels with | between them: ${CONFORMANCE_LABELS.join(', ')}. Settings: detect_encoding, include_encodings, exclude_encodings, message_id. Returns nil, or what is wrong.`,
    call: (self, { checks, fixes, settings }, context) =>
      withData(self, (data) =>
        checkAndFix(self, data, checks, fixes, (settings ?? {}) as ConformanceSettings, context),
      ),
  }),
  append_text_plain: method({
    params: { text: string() },
    returns: 'boolean',
    doc: 'Adds a line to the end of the plain text. False when there is none.',
    call: (self, { text }) =>
      withData(self, (data) => editMime(self, data, (root) => appendTextPlain(root, text))),
  }),
  append_text_html: method({
    params: { html: string() },
    returns: 'boolean',
    doc: 'Adds a line to the HTML text, before its last </body>. False when there is no HTML.',
    call: (self, { html }) =>
      withData(self, (data) => editMime(self, data, (root) => appendTextHtml(root, html))),
  }),
  parse_mime: method({
    returns: 'mimepart',
    doc: 'The message as MIME parts, detached: write back with msg:set_data(tostring(part)).',
    call: (self) => withData(self, parseMime),
  }),
};
