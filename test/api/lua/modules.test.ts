import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { luaModules, luaObjects } from '../../../src/api/lua/index.ts';
import { events } from '../../../src/model/events/index.ts';
import type { Resolver } from '../../../src/model/index.ts';
import { policy } from '../../lua/policy-kit.ts';
import { failure, notingHost, values } from './kit.ts';

test('kumo.string', async () => {
  const source = `
    local s = kumo.string
    local join = function(list) return table.concat(list, '|') end
    return join(s.split('a.b.c', '.')), join(s.rsplit('a.b.c', '.')), join(s.splitn('a.b.c', 2, '.')),
      join(s.rsplitn('a.b.c', 2, '.')), join(s.split_whitespace(' a  b ')), s.replace('a.b.c', '.', '-'),
      s.replacen('a.b.c', '.', '-', 1), s.trim(' a '), s.trim_start(' a '), s.trim_end(' a '),
      s.starts_with('abc', 'ab'), s.ends_with('abc', 'bc'), s.ends_with('c', 'abc'), s.wrap('aaa bbb', 5)`;
  expect(await values(source)).toEqual([
    'a|b|c',
    'c|b|a',
    'a|b.c',
    'c|a.b',
    'a|b',
    'a-b-c',
    'a-b.c',
    'a',
    'a ',
    ' a',
    true,
    true,
    false,
    'aaa\r\n\tbbb',
  ]);
  expect(await values("return kumo.string.starts_with('\\xff\\xfe', '\\xff')")).toEqual([true]);
});

test('kumo.serde', async () => {
  const source = `
    local s = kumo.serde
    local v = s.json_parse('{"a": [1, 2.5, null, {}], "b": null} // end')
    return v.a[2], v.b == nil, s.json_encode({1, 2, {a = 'x'}}), s.json_encode_pretty({b = 1, a = {}}),
      s.json_encode({}), s.json_encode(0/0), s.json_encode(3000000000), kumo.json_encode('x')`;
  expect(await values(source)).toEqual([
    2.5,
    true,
    '[1,2,{"a":"x"}]',
    '{\n  "a": {},\n  "b": 1\n}',
    '{}',
    'null',
    '3000000000',
    '"x"',
  ]);
  expect(await failure("kumo.serde.json_parse('{')")).toMatch(
    /policy\.lua:1: kumo\.serde\.json_parse: .*JSON/,
  );
  expect(await failure('kumo.serde.json_encode(print)')).toContain(
    'expected a value that JSON can hold, got function',
  );
});

test('kumo.serde.json_load', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-api-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'x.json');
  writeFileSync(file, '# comment\n{"a": 5}');
  expect(await values('return kumo.serde.json_load(...).a', [file])).toEqual([5]);
  expect(await failure('kumo.json_load(...)', [`${file}.none`])).toContain('there is no such file');
});

test('kumo.time', async () => {
  const host = notingHost();
  const source = `
    local t = kumo.time.now()
    kumo.time.sleep(1.5)
    return t.year, t.month, t.day, t.hour, t.unix_timestamp, t.rfc3339, t.rfc2822, tostring(t), t.elapsed.seconds,
      t.elapsed.milliseconds, t.elapsed.human`;
  const running = values(source, [], host);
  await host.clock.advance(1500);
  expect(await running).toEqual([
    2026,
    1,
    1,
    0,
    1_767_225_600,
    '2026-01-01T00:00:00+00:00',
    'Thu, 1 Jan 2026 00:00:00 +0000',
    '2026-01-01 00:00:00 UTC',
    1.5,
    1500,
    '1s 500ms',
  ]);
  expect(await failure('kumo.sleep(-1)')).toContain('cannot sleep -1 seconds');
});

test('kumo.dns', async () => {
  const answer = <T>(...records: T[]) => Promise.resolve({ records, secure: false, ttl: 60_000 });
  const resolver: Resolver = {
    mx: () => Promise.reject(new Error('not asked')),
    a: () => answer('192.0.2.1'),
    aaaa: () => Promise.reject(new Error('timeout')),
    txt: () => answer('v=spf1 -all'),
    ptr: () => answer('host.example'),
    tlsa: () => Promise.reject(new Error('not asked')),
    cname: () => Promise.reject(new Error('not asked')),
    canBeSecure: false,
  };
  const host = Object.assign(notingHost(), { resolver });
  const source = `
    local d = kumo.dns
    return d.lookup_txt('x')[1], d.lookup_ptr('192.0.2.1')[1], #d.lookup_addr('x'), d.lookup_addr('x')[1]`;
  expect(await values(source, [], host)).toEqual(['v=spf1 -all', 'host.example', 1, '192.0.2.1']);
});

test('kumo.dns.lookup_mx', async () => {
  const records = {
    'null.example': [{ preference: 0, exchange: '' }],
    'two.example': [
      { preference: 10, exchange: 'c.example.com' },
      { preference: 5, exchange: 'B.example.com' },
      { preference: 5, exchange: 'a.example.com' },
    ],
    'none.example': [],
  };
  const mx = async (name: string) => ({
    records: records[name as keyof typeof records],
    secure: true,
    ttl: 60_000,
  });
  const host = Object.assign(notingHost(), { resolver: { mx } as unknown as Resolver });
  const lookup = (domain: string) =>
    values(
      `local mx = kumo.dns.lookup_mx('${domain}')
       return mx.domain_name, table.concat(mx.hosts, ' '), mx.site_name, mx.is_mx, mx.is_domain_literal, mx.is_secure,
         mx.mta_sts, mx.by_pref[5] and #mx.by_pref[5]`,
      [],
      host,
    );
  expect(await lookup('Two.Example')).toEqual([
    'two.example.',
    'a.example.com. b.example.com. c.example.com.',
    '(a|b|c).example.com',
    true,
    false,
    true,
    'None',
    2,
  ]);
  expect((await lookup('none.example')).slice(0, 4)).toEqual([
    'none.example.',
    'none.example.',
    'none.example',
    false,
  ]);
  expect((await lookup('null.example')).slice(0, 4)).toEqual(['null.example.', '.', '', true]);
  expect((await lookup('[192.0.2.1]')).slice(0, 5)).toEqual([
    '192.0.2.1',
    '192.0.2.1',
    '192.0.2.1',
    false,
    true,
  ]);
});

test('files that modules read are files of the policy', async () => {
  const { engine, directory } = await policy(
    `kumo.on('run', function(dir)
       kumo.serde.json_load(dir .. '/a.json')
       kumo.fs.open(dir .. '/b.txt'):close()
       kumo.fs.open(dir .. '/c.txt', 'w'):close()
       kumo.secrets.load(dir .. '/d.key') end)`,
    {
      modules: luaModules,
      objects: luaObjects,
      events,
      host: notingHost(),
      files: { 'a.json': '{}', 'b.txt': '', 'd.key': 'x' },
    },
  );
  expect(await engine.fire('run', [directory])).toMatchObject({ kind: 'values' });
  expect(engine.filesRead.map((file) => file.slice(directory.length + 1))).toEqual([
    'policy.lua',
    'a.json',
    'b.txt',
    'd.key',
  ]);
});
