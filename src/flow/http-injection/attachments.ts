import { type MimePart, newBinary, parseMimeParameters, structuredLine } from '../../protocol/mime/index.ts';
import { orUnfit } from './refusal.ts';
import type { InjectedAttachment } from './request.ts';

/** An attachment, shown in place when it has an id. Throws InjectionRefused (422). */
export function attachmentPart(attachment: InjectedAttachment, place: number): MimePart {
  return orUnfit(`content.attachments[${place}]: `, () => {
    const { value: type, parameters } = orUnfit('content_type: ', () =>
      parseMimeParameters(attachment.content_type),
    );
    // Its own parts are nothing that we would know to be whole.
    if (/^multipart\//i.test(type)) throw new Error('content_type cannot be a multipart');
    const part = newBinary(type, dataOf(attachment), {
      file_name: checked('file_name', attachment.file_name),
      content_id: checked('content_id', attachment.content_id),
      inline: typeof attachment.content_id === 'string',
    });
    // The content is written in UTF-8, or as it came.
    parameters.delete('charset');
    if (parameters.size === 0) return part;
    const own = part.contentType;
    const merged = new Map([...own.parameters, ...parameters]);
    part.headers.set(structuredLine('Content-Type', 'mime_params', { value: own.type, parameters: merged }));
    return part;
  });
}

function checked(field: string, text: string | null | undefined): string | undefined {
  if (text == null) return undefined;
  if (/[\x00-\x1f\x7f]/.test(text)) throw new Error(`${field} has control characters`);
  return text;
}

/** White space in base64 is that of mail. */
function dataOf({ data, base64 }: InjectedAttachment): Buffer {
  if (base64 !== true) return Buffer.from(data);
  const text = /\s/.test(data) ? data.replace(/\s+/g, '') : data;
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) throw new Error('data is not base64');
  return Buffer.from(text, 'base64');
}
