import { isUtf8 } from 'node:buffer';
import { EnvelopeAddress, isDomainOrLiteral } from './address.ts';

/** One command line of a client, understood. What is wrong with a line is a command too: `INVALID`. */
export type Command =
  | { verb: 'EHLO' | 'HELO'; domain: string }
  | MailCommand
  | { verb: 'RCPT'; recipient: EnvelopeAddress }
  | { verb: 'BDAT'; size: number; last: boolean }
  | { verb: 'DATA' | 'RSET' | 'NOOP' | 'QUIT' | 'VRFY' | 'EXPN' | 'HELP' | 'STARTTLS' }
  /** RFC 4954 §4. `initial` is base64, or `=`. */
  | { verb: 'AUTH'; mechanism: string; initial: string | undefined }
  | { verb: 'XCLIENT'; attributes: string }
  /** A verb that is not in RFC 5321 §4.1.1 or RFC 3030. */
  | { verb: 'UNKNOWN' }
  | { verb: 'INVALID'; problem: CommandProblem };

export interface MailCommand {
  verb: 'MAIL';
  sender: EnvelopeAddress;
  /** Octets as declared with SIZE= (RFC 1870 §6). */
  size: number | undefined;
  body: '7BIT' | '8BITMIME';
  smtpUtf8: boolean;
}

export type CommandProblem =
  /** Control octets, 8-bit where only ASCII may be, arguments missing or too many. */
  | 'syntax'
  | 'sender'
  | 'recipient'
  /** A known ESMTP parameter with a bad value, or given twice. */
  | 'parameter'
  | 'unknownParameter'
  /** A BDAT whose chunk has no known end: whatever follows cannot be told from commands. */
  | 'chunkSize';

/**
 * Parses one command line, without its CRLF. Lenient where clients differ (case, spaces around the path, a path
 * without brackets), strict about octets: below 0x20 and 0x7f never, above 0x7f only as UTF-8 in MAIL and RCPT
 * (RFC 6531 §3.3).
 */
export function parseCommand(line: Buffer): Command {
  const text = decodeLine(line);
  if (text === undefined) {
    const isChunk = line.toString('latin1', 0, 4).toUpperCase() === 'BDAT';
    return invalid(isChunk ? 'chunkSize' : 'syntax');
  }
  const space = text.indexOf(' ');
  const verb = (space < 0 ? text : text.slice(0, space)).toUpperCase();
  const parameters = space < 0 ? '' : text.slice(space + 1).trim();
  if (verb === 'MAIL') return parseMail(parameters);
  if (verb === 'RCPT') return parseRcpt(parameters);
  if (text.length !== line.length) return invalid(verb === 'BDAT' ? 'chunkSize' : 'syntax');
  switch (verb) {
    case 'EHLO':
    case 'HELO':
      return isDomainOrLiteral(parameters) ? { verb, domain: parameters } : invalid('syntax');
    case 'DATA':
    case 'RSET':
    case 'QUIT':
    case 'STARTTLS':
      return parameters === '' ? { verb } : invalid('syntax');
    case 'NOOP':
    case 'VRFY':
    case 'EXPN':
    case 'HELP':
      return { verb };
    case 'AUTH':
      return parseAuth(parameters);
    case 'XCLIENT':
      return { verb, attributes: parameters };
    case 'BDAT':
      return parseBdat(parameters);
    default:
      return { verb: 'UNKNOWN' };
  }
}

/** Undefined when the line has control octets or bad UTF-8. Longer in octets than in characters if not ASCII. */
function decodeLine(line: Buffer): string | undefined {
  let isAscii = true;
  for (let index = 0; index < line.length; index++) {
    const octet = line[index]!;
    if (octet < 0x20 || octet === 0x7f) return undefined;
    if (octet > 0x7f) isAscii = false;
  }
  if (isAscii) return line.toString('latin1');
  return isUtf8(line) ? line.toString() : undefined;
}

function parseMail(parameters: string): Command {
  const path = splitPath(parameters, 'FROM:');
  if (path === undefined) return invalid('syntax');
  const sender = path.address === '' ? undefined : EnvelopeAddress.parse(path.address);
  if (sender === undefined || (sender.domain === '' && sender.localPart !== '')) return invalid('sender');
  const command: MailCommand = { verb: 'MAIL', sender, size: undefined, body: '7BIT', smtpUtf8: false };
  if (path.rest === '') return command;
  const seen = new Set<string>();
  for (const parameter of path.rest.split(' ')) {
    if (parameter === '') continue;
    const equals = parameter.indexOf('=');
    const keyword = (equals < 0 ? parameter : parameter.slice(0, equals)).toUpperCase();
    if (seen.has(keyword)) return invalid('parameter');
    seen.add(keyword);
    const problem = setParameter(command, keyword, equals < 0 ? undefined : parameter.slice(equals + 1));
    if (problem !== undefined) return invalid(problem);
  }
  return command;
}

function setParameter(
  command: MailCommand,
  keyword: string,
  value: string | undefined,
): CommandProblem | undefined {
  switch (keyword) {
    case 'SIZE':
      // RFC 1870 §6: 1 to 20 digits.
      if (value === undefined || !/^\d{1,20}$/.test(value)) return 'parameter';
      command.size = Number(value);
      return undefined;
    case 'BODY': {
      const body = value?.toUpperCase();
      if (body !== '7BIT' && body !== '8BITMIME') return 'parameter';
      command.body = body;
      return undefined;
    }
    case 'SMTPUTF8':
      if (value !== undefined) return 'parameter';
      command.smtpUtf8 = true;
      return undefined;
    default:
      return 'unknownParameter';
  }
}

function parseRcpt(parameters: string): Command {
  const path = splitPath(parameters, 'TO:');
  if (path === undefined) return invalid('syntax');
  const recipient = EnvelopeAddress.parse(path.address);
  if (recipient === undefined || recipient.localPart === '') return invalid('recipient');
  return path.rest === '' ? { verb: 'RCPT', recipient } : invalid('unknownParameter');
}

function parseAuth(parameters: string): Command {
  const match = /^([A-Za-z0-9_-]{1,20})(?: +(\S+))?$/.exec(parameters);
  if (match === null) return invalid('syntax');
  return { verb: 'AUTH', mechanism: match[1]!.toUpperCase(), initial: match[2] };
}

/** RFC 3030 §2: `BDAT SIZE [LAST]`. */
function parseBdat(parameters: string): Command {
  const match = /^(\d{1,20})(?: +(LAST))?$/i.exec(parameters);
  const size = Number(match?.[1]);
  if (match === null || !Number.isSafeInteger(size)) return invalid('chunkSize');
  return { verb: 'BDAT', size, last: match[2] !== undefined };
}

/** Splits `FROM:<path> rest`. The address is '' when there is nothing after the colon. */
function splitPath(parameters: string, keyword: string): { address: string; rest: string } | undefined {
  if (parameters.slice(0, keyword.length).toUpperCase() !== keyword) return undefined;
  const text = parameters.slice(keyword.length).trimStart();
  const end = text.startsWith('<') ? endOfPath(text) : text.indexOf(' ');
  if (end < 0) return { address: text, rest: '' };
  // `<a@b>SIZE=1` is no path followed by a parameter but a broken path.
  if (end < text.length && text.charAt(end) !== ' ') return { address: text, rest: '' };
  return { address: text.slice(0, end), rest: text.slice(end).trim() };
}

/** Index after the `>` that ends the path, which is not one inside a quoted local part; -1 when there is none. */
function endOfPath(text: string): number {
  let isQuoted = false;
  for (let index = 1; index < text.length; index++) {
    const character = text.charAt(index);
    if (character === '"') isQuoted = !isQuoted;
    else if (character === '\\' && isQuoted) index += 1;
    else if (character === '>' && !isQuoted) return index + 1;
  }
  return -1;
}

function invalid(problem: CommandProblem): Command {
  return { verb: 'INVALID', problem };
}
