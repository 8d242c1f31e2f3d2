import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { expect, test, vi } from 'vitest';
import { dkimDomains, dkimKeys, dkimRecord, signedMail } from '../kit/dkim-mail.ts';

// Ten thousand messages are signed and verified on a machine that may be busy.
vi.setConfig({ testTimeout: 900_000 });

const MESSAGES = 10_000;

/**
 * A Python that has dkimpy: that of Debian, for which the package is, or else the first of the PATH. Throws with the
 * line that installs it.
 */
function requireDkimpy(): string {
  for (const python of ['/usr/bin/python3', 'python3']) {
    if (python.startsWith('/') && !existsSync(python)) continue;
    if (spawnSync(python, ['-c', 'import dkim, nacl']).status === 0) return python;
  }
  throw new Error('dkimpy is missing; install it with: apt-get install python3-dkim');
}

/** Reads `LENGTH SIGNATURES SEED` and the message, over and over; tells in the end how many verified, and who did not. */
const VERIFIER = `
import dkim, json, sys
records = json.loads(sys.argv[1])
failed, verified = [], 0
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return records[name.rstrip('.')].encode()
while True:
    line = sys.stdin.buffer.readline()
    if not line:
        break
    length, signatures, seed = map(int, line.split())
    message = sys.stdin.buffer.read(length)
    for index in range(signatures):
        try:
            ok = dkim.DKIM(message).verify(idx=index, dnsfunc=txt)
            why = 'the signature is not good'
        except Exception as e:
            ok, why = False, repr(e)
        if ok:
            verified += 1
        elif len(failed) < 20:
            failed.append([seed, index, why])
print(json.dumps({'verified': verified, 'failed': failed}))
`;

const records: Record<string, string> = {};
for (const domain of dkimDomains) {
  for (const key of dkimKeys) records[`${key}._domainkey.${domain}`] = dkimRecord(key);
}

/** How many signatures of the message mailauth finds good. */
async function goodForMailauth(message: Buffer): Promise<number> {
  const { results } = await dkimVerify(message, { resolver: async (name) => [[records[name]!]] });
  return results.filter(({ status }) => status.result === 'pass').length;
}

test('dkimpy and mailauth verify every signature of 10,000 messages', async () => {
  const child = spawn(requireDkimpy(), ['-c', VERIFIER, JSON.stringify(records)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const closed = once(child, 'close');
  let signatures = 0;
  const bad: number[] = [];
  for (let seed = 1; seed <= MESSAGES; seed++) {
    const signed = await signedMail(seed, { obsolete: false });
    signatures += signed.signatures;
    child.stdin.write(`${signed.received.length} ${signed.signatures} ${seed}\n`);
    if (!child.stdin.write(signed.received)) await once(child.stdin, 'drain');
    if ((await goodForMailauth(signed.received)) !== signed.signatures) bad.push(seed);
  }
  child.stdin.end();
  const [code] = await closed;
  expect(code, errors).toBe(0);
  expect(bad).toEqual([]);
  expect(JSON.parse(output)).toEqual({ verified: signatures, failed: [] });
});
