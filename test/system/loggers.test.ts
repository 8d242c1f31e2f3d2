import { readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { decompressFrames } from '../../src/io/delivery-log/index.ts';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { initLua, Moonpost, readRecords } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterAll(() => Moonpost.disposeAll());

/** What is taken goes into maildirs, so that every message has two records and leaves. */
const maildirLua = `
kumo.on('get_queue_config', function()
  return kumo.make_queue_config { protocol = { maildir_path = 'DIR/mail' } }
end)
`;

const segments = (directory: string): string[] =>
  readdirSync(directory).filter((name) => !name.startsWith('.'));

/** What the only segment of a directory holds, which is finished. */
function onlyText(directory: string): string {
  const [name, ...more] = segments(directory);
  expect(more).toEqual([]);
  const path = join(directory, name!);
  expect(statSync(path).mode & 0o222).toBe(0);
  return decompressFrames(readFileSync(path)).content.toString();
}

test('loggers of one policy: all, chosen types with header and template elsewhere, by filter, plain text', async () => {
  const policy = `${initLua(`
  kumo.configure_local_logs {
    log_dir = 'DIR/types', min_free_space = 0, min_free_inodes = 0,
    per_record = {
      Any = { enable = false },
      Delivery = { suffix = '.csv', segment_header = 'who,code', template = '{{ recipient }},{{ response.code }}' },
      Rejection = { log_dir = 'DIR/rejected' },
    },
  }
  kumo.configure_local_logs {
    log_dir = 'DIR/chosen', filter_event = 'is_chosen', min_free_space = 0, min_free_inodes = 0, compression_level = 19,
  }
  kumo.policy.configure_plain_logs {
    output = 'DIR/plain/mail.log', headers = { 'subject' },
    per_record = { Reception = { enable = false }, Delivery = { template = '{{ type }} {{ headers | length }}' } },
  }`)}${maildirLua}
kumo.on('is_chosen', function(msg) return tostring(msg:recipient()) == 'b@dest.example' end)
kumo.on('smtp_server_rcpt_to', function(domain) if domain.domain == 'bad.example' then kumo.reject(550, 'no') end end)
`;
  const server = await Moonpost.start({ policy, shards: 2 });
  const at = (name: string): string => join(server.directory, name);
  expect(await sendOne(server.smtp, 'a@dest.example')).toMatch(/^250/);
  expect(await sendOne(server.smtp, 'b@dest.example')).toMatch(/^250/);
  expect(await sendOne(server.smtp, 'c@bad.example')).toMatch(/^550/);
  await server.untilCounts({ Reception: 2, Delivery: 2, Rejection: 1 });
  // The plain file is moved away, as logrotate does, and goes on under its name.
  await eventually(() =>
    readFileSync(at('plain/mail.log'), 'utf8').split('\n').length > 3 ? true : undefined,
  );
  renameSync(at('plain/mail.log'), at('plain/mail.log.1'));
  expect(await sendOne(server.smtp, 'd@dest.example')).toMatch(/^250/);
  await server.untilCounts({ Delivery: 3 });
  expect(await server.stop()).toBe(0);

  expect(onlyText(at('types')).split('\n').sort()).toEqual(
    ['who,code', 'a@dest.example,200', 'b@dest.example,200', 'd@dest.example,200', ''].sort(),
  );
  expect(segments(at('types'))[0]).toMatch(/^\d{8}-\d{6}\.\d{3}\.csv$/);
  expect(readRecords(at('rejected')).map(({ type }) => type)).toEqual(['Rejection']);
  // The filter is not asked about what was refused.
  expect(readRecords(at('chosen')).map(({ type, recipient }) => `${type} ${recipient}`)).toEqual(
    expect.arrayContaining(['Reception b@dest.example', 'Delivery b@dest.example']),
  );
  expect(readRecords(at('chosen')).filter(({ type }) => type !== 'Rejection')).toHaveLength(2);
  const before = readFileSync(at('plain/mail.log.1'), 'utf8').split('\n').slice(0, -1);
  expect(before.filter((line) => line === 'Delivery 1')).toHaveLength(2);
  expect(before.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line).type)).toEqual([
    'Rejection',
  ]);
  expect(readFileSync(at('plain/mail.log'), 'utf8')).toBe('Delivery 1\n');
});

/** Records on standard output with 200 KB each, beside those in DIR/log. */
const stdoutLua = `${initLua(
  `kumo.policy.configure_plain_logs { output = 'stdout', meta = { 'big' } }`,
).replace("meta = { '*' }", 'meta = {}')}${maildirLua}
kumo.on('smtp_server_message_received', function(msg) msg:set_meta('big', ('x'):rep(200000)) end)
`;

test('standard output that nobody reads holds up no mail; what comes later is whole lines again', async () => {
  const server = await Moonpost.start({ policy: stdoutLua, stdout: 'pipe' });
  const { accepted } = await inject(server.smtp, { count: 60 });
  expect(accepted.size).toBe(60);
  await server.untilCounts({ Reception: 60, Delivery: 60 });
  await server.waitFor('standard output is not read fast enough: records are dropped');
  let text = '';
  server.child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await server.waitFor('lines were not written to standard output');
  expect(await sendOne(server.smtp, 'last@dest.example')).toMatch(/^250/);
  expect(await eventually(() => (text.includes('last@dest.example') ? true : undefined))).toBe(true);
  expect(await server.stop()).toBe(0);
  const records = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  const dropped = [...server.errors.matchAll(/(\d+) lines were not written/g)].map(([, count]) =>
    Number(count),
  );
  expect(records.length + dropped.reduce((sum, count) => sum + count, 0)).toBe(122);
});

test('standard output whose reader has gone is told of once, and mail goes on', async () => {
  const policy = `${stdoutLua}\nkumo.on('smtp_server_mail_from', function() print 'printed' end)`;
  const server = await Moonpost.start({ policy, stdout: 'pipe' });
  server.child.stdout!.destroy();
  expect((await inject(server.smtp, { count: 30 })).accepted.size).toBe(30);
  await server.untilCounts({ Reception: 30, Delivery: 30 });
  await server.waitFor('no more is written there');
  expect((await inject(server.smtp, { count: 5, first: 30 })).accepted.size).toBe(5);
  await server.untilCounts({ Delivery: 35 });
  expect(await server.stop()).toBe(0);
  expect(server.errors.match(/standard output/g)).toHaveLength(1);
});

test('what a policy prints to a reader who has gone ends nothing', async () => {
  const policy = `${initLua()}${maildirLua}\nkumo.on('smtp_server_mail_from', function() print 'printed' end)`;
  const server = await Moonpost.start({ policy, stdout: 'pipe' });
  server.child.stdout!.destroy();
  expect((await inject(server.smtp, { count: 10 })).accepted.size).toBe(10);
  await server.untilCounts({ Delivery: 10 });
  expect(await server.stop()).toBe(0);
});

test('a log directory below its floor of free space: no mail is taken', async () => {
  const policy = initLua(
    `kumo.configure_local_logs { log_dir = 'DIR/small', min_free_space = '100%', min_free_inodes = 0 }`,
  );
  const server = await Moonpost.start({ policy });
  const talk = await SmtpTalk.open(server.smtp);
  await talk.expect('421');
  expect(server.errors).toMatch(/log dir \S+\/small is below its floor, no mail is taken/);
});
