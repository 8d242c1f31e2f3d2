import { describe, expect, test } from 'vitest';
import { Message } from '../../../src/model/index.ts';
import { address, connection, failure, message, values } from './kit.ts';

describe('envelope', () => {
  test('sender and recipients are address objects', async () => {
    const subject = message(undefined, ['"a b"@Example.COM']);
    expect(
      await values(
        `local m = ...
         local r = m:recipient()
         return m:sender().user, m:sender().domain, tostring(r), r.user, r.email, ('%s'):format(m:recipient_list()[1]), m:id()`,
        [subject],
      ),
    ).toEqual([
      'from',
      'example.org',
      '"a b"@Example.COM',
      'a b',
      '"a b"@Example.COM',
      '"a b"@Example.COM',
      'ab'.repeat(16),
    ]);
  });

  test('several recipients are a list, none is nil, the null sender is empty', async () => {
    const several = message(undefined, ['a@x.example', 'b@x.example']);
    expect(await values('local m = ...; return #m:recipient(), m:recipient()[2].user', [several])).toEqual([
      2,
      'b',
    ]);
    const nobody = message(undefined, []);
    nobody.sender = address('');
    expect(await values('local m = ...; return m:recipient() == nil, m:sender().email', [nobody])).toEqual([
      true,
      '',
    ]);
  });

  test('set_sender and set_recipient take text, objects and lists', async () => {
    const subject = message();
    await values(
      "local m = ...; m:set_recipient({'a@x.example', m:sender()}); m:set_sender('new@x.example')",
      [subject],
    );
    expect(subject.recipients.map(String)).toEqual(['a@x.example', 'from@example.org']);
    expect(String(subject.sender)).toBe('new@x.example');
    expect(subject.dirty).toBe(true);
    await values('local m = ...; m:set_recipient(m:sender())', [subject]);
    expect(subject.recipients.map(String)).toEqual(['new@x.example']);
    expect(await failure("local m = ...; m:set_sender('a b c')", [subject])).toContain(
      "'a b c' is no mail address",
    );
  });

  test('metadata and the queue name', async () => {
    const subject = message(undefined, ['to@Example.COM']);
    expect(
      await values(
        `local m = ...
         local before = m:queue_name()
         m:set_meta('tenant', 't'); m:set_meta('list', {1, 'two', {three = true}}); m:set_meta('gone', nil)
         return before, m:queue_name(), m:get_meta('list')[3].three, tostring(m:get_meta('gone')), tostring(m:get_meta('constructor'))`,
        [subject],
      ),
    ).toEqual(['example.com', 't@example.com', true, 'nil', 'nil']);
    expect(subject.meta).toEqual({ tenant: 't', list: [1, 'two', { three: true }], gone: null });
    expect(await failure("local m = ...; m:set_meta('tenant', 5); m:queue_name()", [subject])).toContain(
      "expected 'tenant' to be a string value",
    );
    expect(await failure("local m = ...; m:set_meta('a', m:sender())", [subject])).toContain(
      'a value that JSON can hold',
    );
  });

  test('hostile names of metadata are only data', async () => {
    const subject = message();
    await values("local m = ...; m:set_meta('__proto__', {polluted = true})", [subject]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect((subject.meta as Record<string, unknown>).polluted).toBeUndefined();
    expect(Object.keys(subject.meta)).toEqual(['__proto__']);
  });

  test('attempts and due time', async () => {
    const subject = message();
    expect(
      await values(
        "local m = ...; m:increment_num_attempts(); return m:num_attempts(), m:set_due('2026-05-01T10:00:00+02:00')",
        [subject],
      ),
    ).toEqual([1, '2026-05-01T10:00:00+02:00']);
    expect(subject.due).toBe(Date.UTC(2026, 4, 1, 8));
    await values('local m = ...; m:set_due(nil)', [subject]);
    expect(subject.due).toBe(0);
    expect(await failure("local m = ...; m:set_due('tomorrow')", [subject])).toContain(
      "'tomorrow' is no time",
    );
  });
});

describe('content', () => {
  test('get_data and set_data keep every byte', async () => {
    const subject = message();
    subject.setData(Buffer.from([0, 0xff, 10]));
    expect(
      await values('local m = ...; local d = m:get_data(); m:set_data(d .. "\\xfe"); return #d', [subject]),
    ).toEqual([3]);
    expect(subject.body).toEqual(Buffer.from([0, 0xff, 10, 0xfe]));
  });

  test('a body that is only on disk is loaded', async () => {
    const subject = new Message({
      id: 'ab',
      sender: address('a@x.example'),
      recipients: [],
      meta: {},
      size: 5,
      load: async () => Buffer.from('A: on disk\r\n\r\n'),
    });
    expect(await values("local m = ...; return m:get_first_named_header_value('a')", [subject])).toEqual([
      'on disk',
    ]);
  });

  test('headers are read', async () => {
    const subject = message('X-A: 1\r\nSubject: =?utf-8?q?=C3=A4?=\r\nx-a: 2\r\n\r\n');
    expect(
      await values(
        `local m = ...
         return m:get_first_named_header_value('subject'), m:get_first_named_header_value('none') == nil,
           table.concat(m:get_all_named_header_values('X-A'), ','), #m:get_all_named_header_values('none'),
           m:get_all_headers()[2][1], #m:get_all_headers()`,
        [subject],
      ),
    ).toEqual(['ä', true, '1,2', 0, 'Subject', 3]);
  });

  test('headers are added and removed', async () => {
    const subject = message('X-Old: 1\r\nSubject: s\r\n\r\nbody\r\n');
    await values(
      `local m = ...
       m:prepend_header('First', 'one'); m:append_header('Last', 'ü', true); m:remove_all_named_headers('subject')`,
      [subject],
    );
    expect(subject.body?.toString()).toBe('First: one\r\nX-Old: 1\r\nLast: =?UTF-8?B?w7w=?=\r\n\r\nbody\r\n');
    await values('local m = ...; m:remove_x_headers()', [subject]);
    await values("local m = ...; m:remove_x_headers({'first'})", [subject]);
    expect(subject.body?.toString()).toBe('Last: =?UTF-8?B?w7w=?=\r\n\r\nbody\r\n');
    expect(await failure("local m = ...; m:prepend_header('A', 'b\\r\\nBcc: c')", [subject])).toContain(
      'line break',
    );
  });

  test('X- headers become metadata, the last one wins', async () => {
    const subject = message('X-Tenant-Id: a\r\nx-tenant-id: b\r\nCampaign: c\r\n\r\n');
    await values("local m = ...; m:import_x_headers(); m:import_x_headers({'Campaign'})", [subject]);
    expect(subject.meta).toEqual({ x_tenant_id: 'b', campaign: 'c' });
  });
});

test('connection metadata', async () => {
  const meta = connection();
  expect(
    await values(
      "local c = ...; c:set_meta('a', {b = 1}); return c:get_meta('a').b, tostring(c:get_meta('toString'))",
      [meta],
    ),
  ).toEqual([1, 'nil']);
  expect(meta.values).toEqual({ a: { b: 1 } });
});
