import { expect, test } from 'vitest';
import { formatElapsed, TraceLines, type TraceView } from '../../src/cli/trace-lines.ts';
import type { JsonObject, TracePayload } from '../../src/model/index.ts';

const FIRST = Date.parse('2026-01-02T03:04:05.000Z');
const meta = { received_from: '192.0.2.1:4711', received_via: '192.0.2.9:25' };

function lines(view: Partial<TraceView> = {}) {
  const all = new TraceLines({ side: 'server', colours: false, onlyNew: false, onlyOne: false, ...view });
  const show = (payload: TracePayload, after = 0, conn_meta: JsonObject | null = meta): string[] =>
    all.lines({ conn_meta, payload, when: new Date(FIRST + after).toISOString() });
  return { all, show };
}

const HEAD = '[192.0.2.1:4711->192.0.2.9:25]';

test('a session of a client of ours', () => {
  const { show } = lines();
  expect(show('Connected')).toEqual([
    `${HEAD}       === Connected 2026-01-02T03:04:05.000Z`,
    `${HEAD}       === conn_meta received_from="192.0.2.1:4711"`,
    `${HEAD}       === conn_meta received_via="192.0.2.9:25"`,
  ]);
  expect(show({ Write: '250-mx\r\n250 SIZE\r\n' }, 7)).toEqual([
    `${HEAD}   7ms <-  250-mx`,
    `${HEAD}   7ms <-  250 SIZE`,
  ]);
  expect(show({ Read: 'MAIL FROM:<a@b>\r\n' }, 1200, { ...meta, tenant: ['a'] })).toEqual([
    `${HEAD}    1s  -> MAIL FROM:<a@b>`,
    `${HEAD}    1s === conn_meta tenant=["a"]`,
  ]);
  expect(show({ AbbreviatedRead: { snippet: 'Subject: x\r\n', len: 99 } }, 1200)).toEqual([
    `${HEAD}    1s  -> Subject: x`,
    `${HEAD}    1s === bytes read=99`,
    `${HEAD}    1s === conn_meta deleted tenant`,
  ]);
  expect(show('Closed', 61_000)).toEqual([`${HEAD}   61s === Closed`]);
  expect(show('Closed', 61_000)[0]).toBe(`${HEAD}       === Closed`);
});

test('callbacks, diagnostics, messages', () => {
  const { show } = lines();
  show('Connected');
  const callback = (result: JsonObject | null, error: string | null): string[] =>
    show({ Callback: { name: 'smtp_server_ehlo', result, error } }, 1);
  expect(callback(null, null)).toEqual([`${HEAD}   1ms === smtp_server_ehlo: Ok`]);
  expect(callback({ a: 1 }, null)).toEqual([`${HEAD}   1ms === smtp_server_ehlo: Ok: {"a":1}`]);
  expect(callback(null, '550 no')).toEqual([`${HEAD}   1ms === smtp_server_ehlo: Error: 550 no`]);
  expect(show({ Diagnostic: { level: 'WARN', message: 'odd' } }, 1)).toEqual([`${HEAD}   1ms === WARN: odd`]);
  const message = {
    relay: true,
    log_arf: 'Ignore',
    log_oob: 'LogThenDrop',
    queue: 't@b',
    meta: { tenant: 't', n: 1 },
    sender: 's@a',
    recipient: ['x@b', 'y@b'],
    id: 'id1',
    was_arf_or_oob: false,
    will_enqueue: true,
  };
  expect(show({ MessageDisposition: message }, 1)).toEqual([
    `${HEAD}   1ms === Message from=<s@a> to=<x@b, y@b> id=id1`,
    `${HEAD}   1ms === Message queue=t@b relay=true log_arf=Ignore log_oob=LogThenDrop was_arf_or_oob=false will_enqueue=true`,
    `${HEAD}   1ms === Message meta: tenant="t"`,
    `${HEAD}   1ms === Message meta: n=1`,
  ]);
  expect(
    show({ Diagnostic: { level: 'ERROR', message: 'Tracer Lagged behind and missed 7 events' } }, 1, null),
  ).toEqual(['=== ERROR: Tracer Lagged behind and missed 7 events']);
});

test('a session of ours with others, in colours', () => {
  const { show } = lines({ side: 'client', colours: true });
  const own = { id: 'uuid' };
  expect(show('BeginSession', 0, own)[0]).toBe('[uuid]       === BeginSession 2026-01-02T03:04:05.000Z');
  expect(show('Connected', 5, own)).toEqual(['[uuid]   5ms === Connected']);
  expect(show('MessageObtained', 5, own)).toEqual(['[uuid]   5ms === MessageObtained']);
  expect(show({ Read: '220 hi\r\n' }, 6, own)).toEqual(['[uuid]   6ms \x1b[36m <- 220 hi\x1b[0m']);
  expect(show({ Write: 'EHLO a\r\n' }, 6, own)).toEqual(['[uuid]   6ms \x1b[32m->  EHLO a\x1b[0m']);
  expect(show({ AbbreviatedWrite: { snippet: 'A\n', len: 5 } }, 6, own)).toEqual([
    '[uuid]   6ms \x1b[32m->  A\x1b[0m',
    '[uuid]   6ms === bytes written=5',
  ]);
  const { show: other } = lines({ colours: true });
  expect(other({ Read: 'NOOP\r\n' })[0]).toContain('\x1b[32m -> NOOP');
  expect(other({ Write: '250 OK\r\n' })[0]).toContain('\x1b[36m<-  250 OK');
});

test('nothing that strangers say steers the terminal', () => {
  const { show } = lines();
  const bad = '\x1b[2J\u202e\u0085\t\r x';
  const all = [
    ...show({ Read: `${bad}\r\n` }, 0, { ...meta, ehlo_domain: bad }),
    ...show({ Diagnostic: { level: 'ERROR', message: bad } }),
    ...show({ Callback: { name: bad, result: bad, error: null } }),
  ];
  expect(all[0]).toBe(`${HEAD}        -> \\u{1b}[2J\\u{202e}\\u{85}\\t\\r x`);
  for (const line of all) expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
});

test('only-new leaves out sessions that had begun; only-one all but the first, and ends with it', () => {
  const other = { received_from: '192.0.2.2:1', received_via: '192.0.2.9:25' };
  const fresh = lines({ onlyNew: true });
  expect(fresh.show({ Read: 'NOOP\r\n' })).toEqual([]);
  expect(fresh.show('Connected', 0, other)).not.toEqual([]);
  expect(fresh.show({ Read: 'NOOP\r\n' }, 0, other)).toHaveLength(1);
  const one = lines({ onlyOne: true, onlyNew: true });
  expect(one.show('Closed', 0, other)).toEqual([]);
  expect(one.all.isOver).toBe(false);
  one.show('Connected');
  expect(one.show('Connected', 0, other)).toEqual([]);
  expect(one.show('Closed', 0, other)).toEqual([]);
  expect(one.all.isOver).toBe(false);
  expect(one.show('Closed')).toHaveLength(1);
  expect(one.all.isOver).toBe(true);
});

test('behind a proxy it stays the same session', () => {
  const { show } = lines();
  show('Connected');
  const readdressed = {
    received_from: '198.51.100.7:1',
    received_via: '192.0.2.9:25',
    orig_received_from: meta.received_from,
    orig_received_via: meta.received_via,
  };
  expect(show({ Read: 'NOOP\r\n' }, 3, readdressed)[0]).toBe(`${HEAD}   3ms  -> NOOP`);
});

test.each([
  [0, '0ms'],
  [999, '999ms'],
  [1499, '1s'],
  [99_000, '99s'],
  [120_000, '2m'],
  [7_200_000, '2h'],
])('%i ms', (ms, text) => {
  expect(formatElapsed(ms)).toBe(text);
});
