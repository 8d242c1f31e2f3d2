import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 90_000 });

afterAll(() => Moonpost.disposeAll());

const facts = ({ type, recipient, response, num_attempts }: LogRecord): unknown[] => [
  type,
  recipient,
  response.code,
  num_attempts,
];

test('a maildir for each recipient; those that cannot be written are tried again, and no others', async () => {
  const policy = `${initLua('', "batch_handling = 'BatchByDomain'")}
kumo.on('get_queue_config', function()
  return kumo.make_queue_config {
    retry_interval = '1s',
    protocol = { maildir_path = 'DIR/mail/{{ domain_part }}/{{ local_part }}', dir_mode = 504, file_mode = 432 },
  }
end)
`;
  const server = await Moonpost.start({ policy });
  const mail = join(server.directory, 'mail/dest.example');
  mkdirSync(mail, { recursive: true });
  writeFileSync(join(mail, 'bob'), 'a file where the directory of bob should be');
  await sendOne(server.smtp, ['ann@dest.example', 'bob@dest.example'], 'Subject: for both\r\n\r\nbody');
  await server.untilCounts({ TransientFailure: 2 });
  rmSync(join(mail, 'bob'));
  const records = (await server.untilCounts({ Delivery: 2 })).filter(({ type }) => type !== 'Reception');
  await server.untilEmpty();
  expect(await server.stop()).toBe(0);

  const failures = records.filter(({ type }) => type === 'TransientFailure');
  expect(records.map(facts)).toEqual([
    ['Delivery', 'ann@dest.example', 200, 0],
    ...failures.map((_, attempt) => ['TransientFailure', 'bob@dest.example', 400, attempt]),
    ['Delivery', 'bob@dest.example', 200, failures.length],
  ]);
  for (const record of records) {
    expect(record).toMatchObject({ delivery_protocol: 'Maildir', site: '', peer_address: null });
  }
  for (const name of ['ann', 'bob']) {
    const [file, ...more] = readdirSync(join(mail, name, 'new'));
    expect(more).toEqual([]);
    const path = join(mail, name, 'new', file!);
    expect(readFileSync(path, 'utf8')).toContain('Subject: for both\r\n\r\nbody\r\n');
    // 504 is 0770, 432 is 0660: what policy says, whatever the umask of the server.
    expect(statSync(path).mode & 0o777).toBe(0o660);
    for (const part of ['', 'new', 'cur', 'tmp']) {
      expect(statSync(join(mail, name, part)).mode & 0o777, part).toBe(0o770);
    }
  }
});

test('the queue null takes mail and keeps nothing of it but the record', async () => {
  const policy = `${initLua()}
kumo.on('smtp_server_message_received', function(message)
  if message:recipient().user == 'drop' then message:set_meta('queue', 'null') end
end)
kumo.on('get_queue_config', function(domain)
  assert(domain ~= 'null')
  return kumo.make_queue_config { protocol = { maildir_path = 'DIR/mail' } }
end)
`;
  const server = await Moonpost.start({ policy });
  expect(await sendOne(server.smtp, 'drop@dest.example')).toMatch(/^250 /);
  expect(await sendOne(server.smtp, 'keep@dest.example')).toMatch(/^250 /);
  await server.untilCounts({ Reception: 2, Delivery: 1 });
  await server.untilEmpty();
  expect(await server.stop()).toBe(0);
  expect(server.counts()).toEqual({ Reception: 2, Delivery: 1 });
  expect(readdirSync(join(server.directory, 'mail/new'))).toHaveLength(1);
  const again = await Moonpost.start({ policy, directory: server.directory });
  expect(again.errors).not.toMatch(/spooled in [1-9]/);
  expect(await again.stop()).toBe(0);
});
