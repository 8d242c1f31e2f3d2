import { createHash, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isUsableTlsa, type TlsaRecord, whyDaneFails } from '../../../src/protocol/dane/index.ts';
import { type Issued, issue, issueChain } from '../../kit/certificates.ts';

const day = 86_400_000;
const now = Date.now();
const { root, middle, own } = await issueChain();
const other = await issue({ name: 'mx.test' });

function tlsa(usage: number, selector: number, matchingType: number, of: Issued): TlsaRecord {
  const { raw, publicKey } = new X509Certificate(of.der);
  const selected = selector === 0 ? raw : publicKey.export({ type: 'spki', format: 'der' });
  const hashes = [selected, hash('sha256', selected), hash('sha512', selected)];
  return { usage, selector, matchingType, data: hashes[matchingType] ?? selected };
}

const hash = (name: string, bytes: Buffer): Buffer => createHash(name).update(bytes).digest();

interface Case {
  chain?: Issued[];
  records: TlsaRecord[];
  names?: string[];
  at?: number;
}

const verdict = ({ chain = [own, middle], records, names = ['mx.test'], at = Date.now() + 1000 }: Case) =>
  whyDaneFails({ chain: chain.map(({ der }) => der), records, names, now: at });

const all = [0, 1].flatMap((selector) => [0, 1, 2].map((matching) => [selector, matching] as const));

describe('usage 3', () => {
  test.each(all)('selector %i, matching type %i', (selector, matching) => {
    expect(verdict({ records: [tlsa(3, selector, matching, own)] })).toBeUndefined();
    expect(verdict({ records: [tlsa(3, selector, matching, other)] })).toMatch(/matches no TLSA record/);
  });

  test('asks for no name, no date and no authority', () => {
    const records = [tlsa(3, 1, 1, other)];
    expect(
      verdict({ chain: [other], records, names: ['elsewhere.test'], at: now + 5000 * day }),
    ).toBeUndefined();
  });

  test('is about the certificate of the server alone', () => {
    expect(verdict({ records: [tlsa(3, 0, 1, middle)] })).toMatch(/matches no/);
  });

  test('one record that matches is enough, as while a key is changed', () => {
    expect(
      verdict({ records: [tlsa(3, 1, 1, other), tlsa(2, 1, 1, other), tlsa(3, 1, 1, own)] }),
    ).toBeUndefined();
  });
});

describe('usage 2', () => {
  test.each(all)('selector %i, matching type %i', (selector, matching) => {
    expect(verdict({ records: [tlsa(2, selector, matching, middle)] })).toBeUndefined();
    expect(
      verdict({ chain: [own, root, middle], records: [tlsa(2, selector, matching, root)] }),
    ).toBeUndefined();
    expect(verdict({ records: [tlsa(2, selector, matching, other)] })).toMatch(/signed it/);
  });

  test('wants one of the names', () => {
    const records = [tlsa(2, 1, 1, middle)];
    expect(verdict({ records, names: ['mx.else', 'MX.test.'] })).toBeUndefined();
    expect(verdict({ records, names: ['else.test', 'test'] })).toBe(
      'the certificate is not for else.test or test',
    );
    expect(verdict({ records, names: [] })).toMatch(/not for/);
  });

  test('takes a wildcard, and the common name when there is no DNS name', async () => {
    const wild = await issue({ name: 'x', dns: ['*.a.test'], by: middle });
    const plain = await issue({ name: 'mx.test', dns: [], by: middle });
    const records = [tlsa(2, 1, 1, middle)];
    expect(verdict({ chain: [wild, middle], records, names: ['mx.a.test'] })).toBeUndefined();
    expect(verdict({ chain: [wild, middle], records, names: ['mx.b.a.test'] })).toMatch(/not for/);
    expect(verdict({ chain: [plain, middle], records })).toBeUndefined();
  });

  test('wants certificates of today', async () => {
    const records = [tlsa(2, 1, 1, middle)];
    expect(verdict({ records, at: now + 400 * day })).toBe(
      'the certificate of CN=mx.test is not valid today',
    );
    expect(verdict({ records, at: now - 2 * day })).toMatch(/not valid today/);
    const old = await issue({
      name: 'Old',
      isAuthority: true,
      notBefore: new Date(now - 10 * day),
      notAfter: new Date(now - day),
    });
    const young = await issue({ name: 'mx.test', by: old });
    expect(verdict({ chain: [young, old], records: [tlsa(2, 0, 1, old)] })).toMatch(
      /CN=Old is not valid today/,
    );
  });

  test('wants signatures that hold, from authorities', async () => {
    const impostor = await issue({ name: 'Test Authority', isAuthority: true });
    expect(verdict({ chain: [own, impostor], records: [tlsa(2, 1, 1, impostor)] })).toMatch(/signed it/);
    const leaf = await issue({ name: 'leaf.test', by: middle });
    const below = await issue({ name: 'mx.test', by: leaf });
    expect(verdict({ chain: [below, leaf, middle], records: [tlsa(2, 1, 1, middle)] })).toMatch(/signed it/);
    expect(verdict({ chain: [own], records: [tlsa(2, 1, 1, own)] })).toMatch(/signed it/);
    expect(verdict({ chain: [own], records: [tlsa(2, 1, 1, middle)] })).toMatch(/signed it/);
  });

  test('wants chains that are not longer than their authorities allow', async () => {
    const strict = await issue({ name: 'Strict', isAuthority: true, pathLength: 0 });
    const below = await issue({ name: 'Below', isAuthority: true, by: strict });
    const direct = await issue({ name: 'mx.test', by: strict });
    const indirect = await issue({ name: 'mx.test', by: below });
    const records = [tlsa(2, 1, 1, strict)];
    expect(verdict({ chain: [direct, strict], records })).toBeUndefined();
    expect(verdict({ chain: [indirect, below, strict], records })).toBe(
      'the certificate of CN=Strict allows no chain of that length',
    );
    const wide = await issue({ name: 'Wide', isAuthority: true, pathLength: 1 });
    const middleOfWide = await issue({ name: 'Middle', isAuthority: true, by: wide });
    const far = await issue({ name: 'mx.test', by: middleOfWide });
    expect(verdict({ chain: [far, middleOfWide, wide], records: [tlsa(2, 1, 1, wide)] })).toBeUndefined();
  });

  test('wants a certificate that is for servers, where it says what it is for', async () => {
    const client = await issue({ name: 'mx.test', by: middle, purpose: 'clientAuth' });
    const server = await issue({ name: 'mx.test', by: middle, purpose: 'serverAuth' });
    const records = [tlsa(2, 1, 1, middle)];
    expect(verdict({ chain: [client, middle], records })).toBe('the certificate is not for servers');
    expect(verdict({ chain: [server, middle], records })).toBeUndefined();
  });

  test('an authority that the record holds whole need not be sent', () => {
    expect(verdict({ chain: [own], records: [tlsa(2, 0, 0, middle)] })).toBeUndefined();
  });

  test('chains in a circle and long ones come to an end', async () => {
    const chain = [own, ...Array.from({ length: 200 }, () => root)];
    expect(verdict({ chain, records: [tlsa(2, 1, 1, other)] })).toMatch(/signed it/);
  });
});

test('what mail cannot use does not count', () => {
  const unusable = [tlsa(0, 1, 1, middle), tlsa(1, 1, 1, own), tlsa(3, 2, 1, own), tlsa(3, 1, 3, own)];
  const short = { ...tlsa(3, 1, 1, own), data: Buffer.alloc(20) };
  expect([...unusable, short].map(isUsableTlsa)).toEqual([false, false, false, false, false]);
  expect(verdict({ records: [...unusable, short] })).toBe('no TLSA record is usable');
  expect(verdict({ records: [] })).toBe('no TLSA record is usable');
});

test('what is no certificate verifies nobody', () => {
  const records = [tlsa(3, 1, 1, own), tlsa(2, 0, 0, middle)];
  const garbage: Issued = { key: '', cert: '', der: Buffer.from('garbage') };
  expect(verdict({ chain: [], records })).toMatch(/no certificate/);
  expect(verdict({ chain: [garbage, own], records })).toMatch(/no certificate/);
  expect(verdict({ chain: [own, garbage], records: [tlsa(2, 0, 0, middle)] })).toBeUndefined();
  const noise = { usage: 2, selector: 0, matchingType: 0, data: Buffer.from('noise') };
  expect(verdict({ records: [noise] })).toMatch(/signed it/);
});
