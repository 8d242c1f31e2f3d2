import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { expect, test } from 'vitest';
import { dkimRecord, type KeyName, signedMail } from '../../kit/dkim-mail.ts';

/** Messages of as many shapes. */
const MESSAGES = 400;

const resolver = async (name: string): Promise<string[][]> => [[dkimRecord(name.split('.')[0] as KeyName)]];

test('mailauth verifies every signature', async () => {
  const failures: unknown[] = [];
  let verified = 0;
  for (let seed = 1; seed <= MESSAGES; seed++) {
    const { received, signatures } = await signedMail(seed, { obsolete: true });
    const { results } = await dkimVerify(received, { resolver });
    const bad = results.filter(({ status }) => status.result !== 'pass');
    verified += results.length - bad.length;
    if (bad.length > 0 || results.length !== signatures) {
      failures.push({ seed, signatures, found: results.length, bad: bad.map(({ status }) => status) });
    }
  }
  expect(failures).toEqual([]);
  expect(verified).toBeGreaterThan(MESSAGES);
});

test('and none after the body or a signed header was changed', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { received } = await signedMail(seed, { obsolete: false });
    const text = received.toString('latin1').replace(/a@example\.com/, 'b@example.com');
    const { results } = await dkimVerify(Buffer.from(text, 'latin1'), { resolver });
    for (const { status } of results) expect(status.result).toBe('fail');
  }
});
