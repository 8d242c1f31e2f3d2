import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EnvelopeAddress, parseCommand } from '../../src/protocol/smtp/index.ts';

const atom = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,8}$/);
const quoted = fc
  .stringMatching(/^[ -~]{0,10}$/)
  .map((text) => `"${text.replace(/["\\]/g, (character) => `\\${character}`)}"`);
const localPart = fc.oneof(
  fc.array(atom, { minLength: 1, maxLength: 4 }).map((atoms) => atoms.join('.')),
  quoted,
);
const label = fc.stringMatching(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,6}[A-Za-z0-9])?$/);
const domain = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
  fc.ipV4().map((address) => `[${address}]`),
  fc.ipV6().map((address) => `[IPv6:${address}]`),
);
const mailbox = fc.tuple(localPart, domain).map(([local, host]) => `${local}@${host}`);

const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc
    .array(
      fc.constantFrom('a', '@', '<', '>', '"', '\\', '.', ',', ':', '[', ']', ' ', '\r', '\n', '\0', 'é'),
    )
    .map((pieces) => pieces.join('')),
);

test('every mailbox of the RFC 5321 grammar is taken, and reads back as itself', () => {
  fc.assert(
    fc.property(mailbox, (text) => {
      const address = EnvelopeAddress.parse(text);
      expect(address?.email).toBe(text);
      expect(EnvelopeAddress.parse(`<${text}>`)?.email).toBe(text);
      expect(EnvelopeAddress.parse(`<@a.example,@[192.0.2.1]:${text}>`)?.email).toBe(text);
      expect(text).toBe(`${address?.localPart}@${address?.domain}`);
    }),
  );
});

test('what is taken has no control octets, reads back as itself, and keeps to the limits', () => {
  fc.assert(
    fc.property(nasty, (text) => {
      const address = EnvelopeAddress.parse(text);
      if (address === undefined) return;
      expect(address.email).not.toMatch(/[\x00-\x1f\x7f-\x9f\ufffd]/);
      expect(address.email.isWellFormed()).toBe(true);
      expect(Buffer.byteLength(address.localPart)).toBeLessThanOrEqual(64);
      expect(Buffer.byteLength(address.domain)).toBeLessThanOrEqual(255);
      expect(EnvelopeAddress.parse(address.email)).toEqual(address);
    }),
    { numRuns: 2000 },
  );
});

test('a MAIL command carries the mailbox and its parameters', () => {
  fc.assert(
    fc.property(mailbox, fc.nat(), fc.boolean(), (text, size, utf8) => {
      const line = `MAIL FROM:<${text}> SIZE=${size}${utf8 ? ' SMTPUTF8' : ''}`;
      const command = parseCommand(Buffer.from(line));
      expect(command).toMatchObject({ verb: 'MAIL', size, smtpUtf8: utf8 });
      expect(command.verb === 'MAIL' && command.sender.email).toBe(text);
    }),
  );
});

test('any octets make a command; control octets make an invalid one', () => {
  const line = fc.tuple(
    fc.constantFrom('', 'MAIL FROM:<', 'RCPT TO:<a@b>', 'BDAT ', 'EHLO ', 'NOOP '),
    fc.uint8Array(),
  );
  fc.assert(
    fc.property(line, ([start, rest]) => {
      const octets = Buffer.concat([Buffer.from(start), rest]);
      const command = parseCommand(octets);
      if (octets.some((octet) => octet < 0x20 || octet === 0x7f)) expect(command.verb).toBe('INVALID');
    }),
    { numRuns: 2000 },
  );
});
