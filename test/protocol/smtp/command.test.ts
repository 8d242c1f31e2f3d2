import { describe, expect, test } from 'vitest';
import { type Command, parseCommand } from '../../../src/protocol/smtp/index.ts';

const parse = (line: string): Command => parseCommand(Buffer.from(line, 'latin1'));
const problem = (line: string): string => {
  const command = parse(line);
  return command.verb === 'INVALID' ? command.problem : `no problem: ${command.verb}`;
};

describe('parseCommand', () => {
  test.each([
    ['EHLO a.example', { verb: 'EHLO', domain: 'a.example' }],
    ['helo [192.0.2.1]', { verb: 'HELO', domain: '[192.0.2.1]' }],
    ['EHLO [IPv6:::1]', { verb: 'EHLO', domain: '[IPv6:::1]' }],
    ['data', { verb: 'DATA' }],
    ['RSET ', { verb: 'RSET' }],
    ['NOOP whatever', { verb: 'NOOP' }],
    ['HELP', { verb: 'HELP' }],
    ['BDAT 10', { verb: 'BDAT', size: 10, last: false }],
    ['bdat 0 last', { verb: 'BDAT', size: 0, last: true }],
    ['XCLIENT ADDR=1.2.3.4', { verb: 'XCLIENT', attributes: 'ADDR=1.2.3.4' }],
    ['starttls', { verb: 'STARTTLS' }],
    ['STARTTLS x', { verb: 'INVALID', problem: 'syntax' }],
    ['AUTH plain', { verb: 'AUTH', mechanism: 'PLAIN', initial: undefined }],
    ['AUTH PLAIN =', { verb: 'AUTH', mechanism: 'PLAIN', initial: '=' }],
    ['AUTH PLAIN a b', { verb: 'INVALID', problem: 'syntax' }],
    ['AUTH', { verb: 'INVALID', problem: 'syntax' }],
    ['', { verb: 'UNKNOWN' }],
  ])('%s', (line, command) => expect(parse(line)).toEqual(command));

  test('MAIL with parameters', () => {
    const command = parse('mail  From: <"a> b"@x>  SIZE=12  body=8bitmime SMTPUTF8 ');
    expect(command).toMatchObject({ verb: 'MAIL', size: 12, body: '8BITMIME', smtpUtf8: true });
    expect(command.verb === 'MAIL' && command.sender.user).toBe('a> b');
  });

  test('MAIL without parameters', () => {
    expect(parse('MAIL FROM:<>')).toMatchObject({ size: undefined, body: '7BIT', smtpUtf8: false });
    expect(parse('MAIL FROM:a@b SIZE=1')).toMatchObject({ verb: 'MAIL', size: 1 });
  });

  test('RCPT', () => {
    const command = parse('RCPT TO:<@relay:b@c>');
    expect(command.verb === 'RCPT' && command.recipient.email).toBe('b@c');
  });

  test.each([
    ['MAIL FROM <a@b>', 'syntax'],
    ['MAIL FROM:', 'sender'],
    ['MAIL FROM:< >', 'sender'],
    ['MAIL FROM:<a@b> SIZE', 'parameter'],
    ['MAIL FROM:<a@b> SIZE=-1', 'parameter'],
    ['MAIL FROM:<a@b> SIZE=123456789012345678901', 'parameter'],
    ['MAIL FROM:<a@b> BODY', 'parameter'],
    ['MAIL FROM:<a@b> AUTH=<>', 'unknownParameter'],
    ['MAIL FROM:<a@b> <c@d>', 'unknownParameter'],
    ['RCPT TO:<a@b> ORCPT=rfc822;a@b', 'unknownParameter'],
    ['RCPT TO:<>', 'recipient'],
    ['RCPT TO:<a@b>,<c@d>', 'recipient'],
    ['EHLO', 'syntax'],
    ['EHLO a b', 'syntax'],
    ['EHLO a\xff', 'syntax'],
    ['NOOP \xc3\xa4', 'syntax'],
    ['MAIL FROM:<\xc3@b>', 'syntax'],
    ['MAIL\tFROM:<a@b>', 'syntax'],
    ['BDAT', 'chunkSize'],
    ['BDAT -1', 'chunkSize'],
    ['BDAT 9007199254740992', 'chunkSize'],
    ['BDAT 1\x00', 'chunkSize'],
    ['BDAT 1 \xc3\xa4', 'chunkSize'],
  ])('%j: %s', (line, expected) => expect(problem(line)).toBe(expected));
});
