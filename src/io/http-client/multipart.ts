import { randomBytes } from 'node:crypto';

export interface FormPart {
  readonly name: string;
  readonly content: Uint8Array;
  readonly fileName?: string | undefined;
}

/** A body of type multipart/form-data (RFC 7578) and its content type. */
export function formBody(parts: readonly FormPart[]): { body: Buffer; contentType: string } {
  const boundary = `----moonpost-${randomBytes(16).toString('hex')}`;
  const pieces: Uint8Array[] = [];
  for (const { name, content, fileName } of parts) {
    const file = fileName === undefined ? '' : `; filename="${quoted(fileName)}"`;
    const type = fileName === undefined ? '' : 'Content-Type: application/octet-stream\r\n';
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"${file}\r\n${type}\r\n`;
    pieces.push(Buffer.from(head), content, Buffer.from('\r\n'));
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`));
  return { body: Buffer.concat(pieces), contentType: `multipart/form-data; boundary=${boundary}` };
}

/** RFC 7578 section 4.2: quotes and line breaks as percent escapes. */
function quoted(text: string): string {
  return text.replace(/["\r\n]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
