import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test as oneByOne, vi } from 'vitest';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, launcher, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy; they mostly wait, so several tests run at a time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

let made: string[] = [];
afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
  made = [];
});

/** Runs `moonpost --policy` on the text until it ends, which these policies make it do. */
function run(
  policy: string,
  ...args: string[]
): { code: number | null; errors: string; output: string; directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-'));
  made.push(directory);
  const file = join(directory, 'init.lua');
  writeFileSync(file, policy.replaceAll('DIR', directory));
  const all = [launcher, '--policy', file, '--shards', '1', ...args];
  const { status, stderr, stdout } = spawnSync(process.execPath, all, { encoding: 'utf8', timeout: 60_000 });
  return { code: status, errors: stderr, output: stdout, directory };
}

describe('at start', () => {
  test('a syntax error: file and line, exit 1', () => {
    const { code, errors } = run("local kumo = require 'kumo'\n\nkumo.on('init', function(\n");
    expect(code).toBe(1);
    expect(errors).toMatch(/^Error: .*init\.lua:\d+:/m);
    expect(errors).not.toContain('node:internal');
  });

  test('an unknown option: file, line and the nearest name, exit 1, for a listener', () => {
    const policy =
      "local kumo = require 'kumo'\nkumo.on('init', function()\n  kumo.start_esmtp_listener { listen = '127.0.0.1:0', relay_host = {} }\nend)\n";
    const { code, errors } = run(policy);
    expect(code).toBe(1);
    expect(errors).toMatch(/init\.lua:3:/);
    expect(errors).toContain('relay_host');
    expect(errors).toContain('relay_hosts');
  });

  test('a wrong value: file and line, exit 1', () => {
    const { code, errors } = run(
      "local kumo = require 'kumo'\nkumo.on('init', function()\n  kumo.define_spool { name = 'data', path = 7 }\nend)\n",
    );
    expect(code).toBe(1);
    expect(errors).toMatch(/Error: .*init\.lua:3:.*path/s);
  });

  test('an error in init: exit 1', () => {
    const { code, errors } = run(
      "local kumo = require 'kumo'\nkumo.on('init', function()\n  error('cannot go on')\nend)\n",
    );
    expect(code).toBe(1);
    expect(errors).toMatch(/^Error: Initialization raised an error: .*init\.lua:3: cannot go on/m);
  });

  test('an unknown event name near a known one is a warning, and mail is taken', async () => {
    const drop = await MailDrop.start();
    const policy = `${initLua()}${relayLua(drop.port)}\nkumo.on('smtp_server_mail_form', function() end)\n`;
    const server = await Moonpost.start({ policy });
    expect(server.errors).toMatch(/ WARN .*init\.lua:\d+.*smtp_server_mail_form.*smtp_server_mail_from/);
    expect(server.errors.match(/smtp_server_mail_form/g)).toHaveLength(1);
    expect(await sendOne(server.smtp)).toMatch(/^250 OK/);
  });

  test('a handler that is not a function is an error', () => {
    const { code, errors } = run("local kumo = require 'kumo'\nkumo.on('init', 'init')\n");
    expect(code).toBe(1);
    expect(errors).toMatch(/init\.lua:2:/);
  });

  test('no spool: exit 1 and says so', () => {
    const { code, errors } = run("local kumo = require 'kumo'\nkumo.on('init', function() end)\n");
    expect(code).toBe(1);
    expect(errors).toContain('No spools have been defined');
  });
});

describe('--validate', () => {
  test('a good policy: prints nothing, makes nothing, exit 0', () => {
    const { code, errors, output, directory } = run(initLua() + relayLua(25), '--validate');
    expect({ code, errors, output }).toEqual({ code: 0, errors: '', output: '' });
    expect(existsSync(join(directory, 'spool'))).toBe(false);
  });

  test('a misspelt event is an error', () => {
    const { code, errors } = run(
      `${initLua()}kumo.on('smtp_server_mail_form', function() end)\n`,
      '--validate',
    );
    expect(code).toBe(1);
    expect(errors).toContain('smtp_server_mail_from');
  });

  test('kumo.validation_failed and the validate_config event', () => {
    const policy = `${initLua()}kumo.on('validate_config', function()
      if _VALIDATING_CONFIG then kumo.validation_failed() end
    end)`;
    const { code, errors } = run(policy, '--validate');
    expect(code).toBe(1);
    expect(errors).toContain('Error: Initialization raised an error: Validation failed');
  });
});

describe('while mail flows', () => {
  test.each(['ehlo', 'mail_from', 'rcpt_to', 'data', 'message_received'])(
    'an error in smtp_server_%s answers 421 4.3.0, names the line, and loses nothing',
    async (event) => {
      const drop = await MailDrop.start();
      // Fails for the first session only, and tells so by its sender or name.
      const guard = {
        ehlo: "function(domain) if domain == 'bad.example' then error 'broken' end end",
        mail_from: "function(sender) if sender.user == 'bad' then error 'broken' end end",
        rcpt_to: "function(recipient) if recipient.user == 'bad' then error 'broken' end end",
        data: "function(msg) if msg:sender().user == 'bad' then error 'broken' end end",
        message_received: "function(msg) if msg:sender().user == 'bad' then error 'broken' end end",
      }[event]!;
      const policy = `${initLua()}${relayLua(drop.port)}kumo.on('smtp_server_${event}',\n${guard})\n`;
      const line = policy.slice(0, policy.indexOf(guard)).split('\n').length;
      const server = await Moonpost.start({ policy });
      const talk = await SmtpTalk.open(server.smtp);
      await talk.expect('220');
      let reply = await talk.command('EHLO bad.example');
      if (event !== 'ehlo') reply = await talk.send('bad@example.org', ['bad@dest.example'], 'hello');
      expect(reply).toBe('421 4.3.0 mx.moonpost.test technical difficulties');
      await talk.closed();
      expect(await sendOne(server.smtp, 'good@dest.example')).toMatch(/^250 OK/);
      await server.untilCounts({ Delivery: 1 });
      expect(await server.stop()).toBe(0);
      expect(drop.messages.map(({ recipients }) => recipients)).toEqual([['good@dest.example']]);
      expect(server.counts()).toEqual({ Rejection: 1, Reception: 1, Delivery: 1 });
      expect(server.errors).toMatch(new RegExp(`ERROR .*smtp_server_${event}: .*init\\.lua:${line}: broken`));
    },
  );

  test('an error in get_queue_config answers once and leaves no spool entry', async () => {
    const drop = await MailDrop.start();
    const policy = `${initLua('', "batch_handling = 'BatchByDomain'")}
kumo.on('get_queue_config', function(domain)
  if domain == 'broken.example' then error 'no config' end
  return kumo.make_queue_config { protocol = { smtp = { mx_list = { '[127.0.0.1]:${drop.port}' } } } }
end)
kumo.on('get_egress_path_config', function() return kumo.make_egress_path { prohibited_hosts = {} } end)`;
    const server = await Moonpost.start({ policy });
    const talk = await SmtpTalk.greeted(server.smtp);
    // The good recipient comes first: it must not be kept either, for the client will send all again.
    const to = ['good@dest.example', 'bad@broken.example'];
    expect(await talk.send('sender@example.org', to, 'hello')).toBe(
      '421 4.3.0 mx.moonpost.test technical difficulties',
    );
    await talk.closed();
    await expect(talk.reply()).rejects.toThrow('closed');
    expect(await sendOne(server.smtp, 'good@dest.example')).toMatch(/^250 OK/);
    await server.untilCounts({ Delivery: 1 });
    expect(await server.stop()).toBe(0);
    expect(server.counts()).toEqual({ Rejection: 1, Reception: 1, Delivery: 1 });
    expect(drop.messages).toHaveLength(1);
    const again = await Moonpost.start({ policy, directory: server.directory });
    expect(again.errors).toContain('spooled in 0 msgs');
  });

  test('an error in get_egress_path_config keeps the mail and tries again', async () => {
    const policy = `${initLua()}
kumo.on('get_queue_config', function()
  return kumo.make_queue_config { protocol = { smtp = { mx_list = { '[127.0.0.1]:9' } } } }
end)
kumo.on('get_egress_path_config', function() error 'no path' end)`;
    const server = await Moonpost.start({ policy });
    expect(await sendOne(server.smtp)).toMatch(/^250 OK/);
    await server.waitFor('no path');
    const records = await server.until((all) => all.length >= 2);
    expect(records[1]!.response).toMatchObject({
      code: 451,
      enhanced_code: { class: 4, subject: 4, detail: 4 },
    });
    expect(records[1]!.response.content).toMatch(/^failed to resolve queue dest\.example: /);
    expect(await server.stop()).toBe(0);
    const drop = await MailDrop.start();
    const again = await Moonpost.start({
      policy: initLua() + relayLua(drop.port),
      directory: server.directory,
    });
    expect(again.errors).toContain('spooled in 1 msgs');
  });

  test('the same error many times is told once and counted', async () => {
    const policy = `${initLua()}kumo.on('smtp_server_rcpt_to', function() error 'every time' end)`;
    const server = await Moonpost.start({ policy });
    for (let n = 0; n < 12; n++) expect(await sendOne(server.smtp)).toMatch(/^421 4\.3\.0/);
    await server.waitFor('(10 times)');
    expect(server.errors.match(/every time\n/g)?.length ?? 0).toBeLessThanOrEqual(1);
  });

  test('mail of the null queue is taken, recorded and forgotten', async () => {
    const policy = `${initLua()}kumo.on('smtp_server_message_received', function(msg) msg:set_meta('queue', 'null') end)`;
    const server = await Moonpost.start({ policy });
    const { accepted } = await inject(server.smtp, { count: 3 });
    expect(accepted.size).toBe(3);
    await server.untilCounts({ Reception: 3 });
    expect(await server.stop()).toBe(0);
    expect(server.counts()).toEqual({ Reception: 3 });
    const again = await Moonpost.start({ policy, directory: server.directory });
    expect(again.errors).toContain('spooled in 0 msgs');
  });
});
