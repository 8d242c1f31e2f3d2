import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AccessControlList,
  describeAuth,
  httpResource,
  parseAccessFile,
  readAccessRules,
  resourceNamed,
} from '../../../src/model/access/index.ts';
import { PolicyValueError } from '../../../src/model/define/index.ts';
import type { AuthInfo, Json } from '../../../src/model/index.ts';

const who = (given: Partial<AuthInfo> = {}): AuthInfo => ({ identities: [], groups: [], ...given });
const alice = { identity: 'alice', context: 'HttpBasicAuth' };

describe('resources', () => {
  test('from the nearest of the listener outward, then those of all listeners', () => {
    expect(httpResource('10.0.0.1:8000', '/a/b').chain).toEqual([
      'http_listener/10.0.0.1:8000/a/b',
      'http_listener/10.0.0.1:8000/a',
      'http_listener/10.0.0.1:8000',
      'http_listener/*/a/b',
      'http_listener/*/a',
      'http_listener',
    ]);
    expect(httpResource('[::1]:80', '/').chain).toEqual(['http_listener/[::1]:80', 'http_listener']);
  });

  test.each([
    ['http://user:password@mta.example:8000/a/b?c=/d#e', 'http_listener/L/a/b'],
    ['//a///b/', 'http_listener/L/a/b'],
    ['/a?x', 'http_listener/L/a'],
    ['http://mta.example', 'http_listener/L'],
    ['', 'http_listener/L'],
    ['/1/2/3/4/5/6/7/8/9/10/11/12', 'http_listener/L/1/2/3/4/5/6/7/8/9/10'],
    [`/${'x'.repeat(300)}`, `http_listener/L/${'x'.repeat(255)}`],
    [`/${'x'.repeat(254)}ü`, `http_listener/L/${'x'.repeat(254)}`],
  ])('%s', (url, name) => {
    expect(httpResource('L', url).name).toBe(name);
  });

  test('by name', () => {
    expect(resourceNamed('http_listener/L/a').chain).toEqual(httpResource('L', '/a').chain);
    expect(resourceNamed('http_listener/*/a').chain).toEqual([
      'http_listener/*/a',
      'http_listener/*',
      'http_listener',
    ]);
    expect(resourceNamed('vault/keys').chain).toEqual(['vault/keys', 'vault']);
  });

  test('are few and short, whatever the path', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (url) => {
        const { chain } = httpResource('L', `/${url}`);
        expect(chain.length).toBeLessThanOrEqual(22);
        expect(Math.max(...chain.map((name) => Buffer.byteLength(name)))).toBeLessThan(300);
      }),
    );
  });
});

describe('criteria', () => {
  const fits = (criteria: Json, given: AuthInfo): boolean => {
    const rules = readAccessRules([{ criteria, privilege: 'GET', access: 'Allow' }], 'rules');
    return new AccessControlList(rules).find(given, 'GET') !== undefined;
  };

  test.each<[Json, Partial<AuthInfo>, boolean]>([
    [{ Identity: 'Any' }, {}, true],
    [{ Identity: { Any: {} } }, {}, true],
    [{ Identity: { Any: [] } }, {}, true],
    [{ Identity: { Authenticated: {} } }, {}, false],
    [{ Identity: { Authenticated: {} } }, { identities: [alice] }, true],
    [{ Identity: { Unauthenticated: {} } }, { identities: [alice] }, false],
    [{ Identity: { Unauthenticated: {} } }, { groups: ['staff'] }, true],
    [{ Identity: { Individual: 'alice' } }, { identities: [alice] }, true],
    [{ Identity: { Individual: 'Alice' } }, { identities: [alice] }, false],
    [{ Identity: { Group: 'staff' } }, { groups: ['guests', 'staff'] }, true],
    [{ Identity: { Group: 'alice' } }, { identities: [alice] }, false],
    [{ Identity: { Machine: '192.0.2.1' } }, { peer_address: '192.0.2.1' }, true],
    [{ Identity: { Machine: '192.0.2.1' } }, { peer_address: '::ffff:192.0.2.1' }, true],
    [{ Identity: { Machine: '192.0.2.1' } }, {}, false],
    [{ Identity: { Machine: '192.0.2.1' } }, { peer_address: 'unknown' }, false],
    [{ Identity: { MachineSet: ['192.0.2.0/24', '::1'] } }, { peer_address: '192.0.2.77' }, true],
    [{ Identity: { MachineSet: ['192.0.2.0/24'] } }, { peer_address: '192.0.3.1' }, false],
    [{ Not: { Identity: 'Any' } }, {}, false],
    [{ AllOf: [] }, {}, true],
    [{ AnyOf: [] }, {}, false],
    [{ AllOf: [{ Identity: 'Any' }, { Identity: { Group: 'staff' } }] }, {}, false],
    [{ AnyOf: [{ Identity: { Group: 'staff' } }, { Identity: 'Unauthenticated' }] }, {}, true],
  ])('%j for %j: %s', (criteria, given, fit) => {
    expect(fits(criteria, who(given))).toBe(fit);
  });

  test('the first rule of the privilege decides', () => {
    const any = { Identity: { Any: {} } };
    const list = new AccessControlList(
      readAccessRules(
        [
          { criteria: { Identity: { Individual: 'alice' } }, privilege: 'POST', access: 'Deny' },
          { criteria: any, privilege: 'POST', access: 'Allow' },
          { criteria: any, privilege: 'POST', access: 'Deny' },
        ],
        'rules',
      ),
    );
    expect(list.find(who({ identities: [alice] }), 'POST')?.access).toBe('Deny');
    expect(list.find(who(), 'POST')?.access).toBe('Allow');
    expect(list.find(who(), 'GET')).toBeUndefined();
  });
});

describe('files', () => {
  test('have rules for each privilege, in order', () => {
    const map = parseAccessFile(`
[[acl."http_listener/*/api/admin"]]
allow = false
privileges = ["DELETE"]
identity.Individual = "alice"

[[acl."http_listener/*/api/admin"]]
allow = true
privileges = ["GET", "DELETE"]
[acl."http_listener/*/api/admin".criteria.Identity.Authenticated]
`);
    const list = map.get('http_listener/*/api/admin')!;
    expect(list.rules.map(({ privilege, access }) => [privilege, access])).toEqual([
      ['DELETE', 'Deny'],
      ['GET', 'Allow'],
      ['DELETE', 'Allow'],
    ]);
    expect(list.find(who({ identities: [alice] }), 'DELETE')?.access).toBe('Deny');
    expect(map.get('http_listener')).toBeUndefined();
  });

  test.each([
    ['', 'acl: expected a table of resources'],
    ['x = 1', 'the file: unknown field `x`'],
    ['acl.a = 1', 'acl."a": expected [[acl."a"]]'],
    ['[[acl.a]]\nallow = 1', 'acl."a"[1].allow: expected true or false'],
    ['[[acl.a]]\nallow = true\nprivileges = "GET"', 'acl."a"[1].privileges: expected a list of strings'],
    ['[[acl.a]]\nallow = true\nprivileges = []', 'acl."a"[1]: expected either identity or criteria'],
    [
      '[[acl.a]]\nallow = true\nprivileges = []\nidentity.Any = {}\ncriteria.Identity = "Any"',
      'acl."a"[1]: expected either identity or criteria',
    ],
    [
      '[[acl.a]]\nallow = true\nprivileges = []\nidentity.Nobody = {}',
      'acl."a"[1].identity: expected a table with one of',
    ],
    [
      '[[acl.a]]\nallow = true\nprivileges = []\nidentity.MachineSet = ["10/8"]',
      'acl."a"[1].identity.MachineSet: ',
    ],
    ['[[acl', 'line 1'],
  ])('%j is refused', (text, why) => {
    expect(() => parseAccessFile(text)).toThrow(why);
  });

  test('whatever is given as rules, it is a list or a PolicyValueError', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          new AccessControlList(readAccessRules(value as Json, 'rules'));
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyValueError);
        }
      }),
    );
  });
});

test('who it is, in words', () => {
  expect(describeAuth(who({ peer_address: '::1' }))).toBe('<Unauthenticated>@ ip=::1');
  const bob = { identity: 'bob', context: 'GenericAuth' };
  expect(describeAuth(who({ identities: [alice, bob], peer_address: '::1' }))).toBe(
    'id=[alice, bob]@ ip=::1',
  );
});
