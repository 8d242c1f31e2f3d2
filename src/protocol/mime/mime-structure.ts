import type { MimePart } from './mime-part.ts';

/** What mail programs show as an attachment. */
export interface Attachment {
  file_name: string | null;
  inline: boolean;
  content_id: string | null;
  content_type: string;
  part: MimePart;
}

/** A message as its reader sees it: one text, one HTML text, and attachments. */
export interface SimpleStructure {
  text_part: MimePart | undefined;
  html_part: MimePart | undefined;
  /** The part whose headers are those of the message. */
  header_part: MimePart;
  attachments: Attachment[];
}

/** Sorts the parts: the first text and the first HTML text that are no attachments, and everything else. */
export function simpleStructure(root: MimePart): SimpleStructure {
  const structure: SimpleStructure = {
    text_part: undefined,
    html_part: undefined,
    header_part: root,
    attachments: [],
  };
  const visit = (part: MimePart): void => {
    if (part.isMultipart) {
      for (const child of part.children) visit(child);
      return;
    }
    const { type } = part.contentType;
    const shown = part.disposition?.value.toLowerCase() !== 'attachment';
    if (shown && type === 'text/plain' && structure.text_part === undefined) structure.text_part = part;
    else if (shown && type === 'text/html' && structure.html_part === undefined) structure.html_part = part;
    else structure.attachments.push(attachment(part));
  };
  visit(root);
  return structure;
}

function attachment(part: MimePart): Attachment {
  const { disposition } = part;
  const { type, parameters } = part.contentType;
  const named = part.headers.first('content-type') !== undefined;
  const id = part.headers.first('content-id')?.text.trim();
  return {
    file_name: disposition?.parameters.get('filename') ?? parameters.get('name') ?? null,
    inline: disposition === undefined || disposition.value.toLowerCase() === 'inline',
    content_id: id === undefined ? null : id.replace(/^<|>$/g, ''),
    content_type: named ? type : 'application/octet-stream',
    part,
  };
}

const CLOSING_BODY = ['</body>', '</BODY>'];

/** Adds text, on a line of its own, to the end of the text that readers see. False when there is none. */
export function appendTextPlain(root: MimePart, text: string): boolean {
  const part = simpleStructure(root).text_part;
  const body = part?.body;
  if (part === undefined || typeof body !== 'string') return false;
  part.setBody(`${body}\r\n${text}`);
  return true;
}

/** Adds HTML, on a line of its own, before the last `</body>`, or at the end. False when there is no HTML. */
export function appendTextHtml(root: MimePart, html: string): boolean {
  const part = simpleStructure(root).html_part;
  const body = part?.body;
  if (part === undefined || typeof body !== 'string') return false;
  const at = Math.max(...CLOSING_BODY.map((tag) => body.lastIndexOf(tag)));
  const end = at < 0 ? body.length : at;
  part.setBody(`${body.slice(0, end)}\r\n${html}${body.slice(end)}`);
  return true;
}
