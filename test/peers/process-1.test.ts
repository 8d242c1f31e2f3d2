import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { requireCommand } from '../kit/peer.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** Runs a command as process 1 of a name space of its own, as a container does. */
function asProcessOne(): string[] {
  const unshare = requireCommand('unshare', 'apt-get install util-linux');
  const wrapper = [unshare, '--pid', '--fork', '--mount-proc', '--kill-child'];
  const { status, stdout, stderr } = spawnSync(wrapper[0]!, [...wrapper.slice(1), 'sh', '-c', 'echo $$'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`this test needs root and name spaces (CAP_SYS_ADMIN): ${stderr}`);
  expect(stdout).toBe('1\n');
  return wrapper;
}

// The kernel ignores signals to process 1 that it has no handler for, and never kills it with them.
test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  'as process 1, %s drains: the session in hand ends, exit code 0, no other process',
  async (signal) => {
    const drop = await MailDrop.start();
    const policy = initLua() + relayLua(drop.port);
    const server = await Moonpost.start({ policy, shards: 2, wrapper: asProcessOne() });
    expect(await sendOne(server.smtp)).toMatch(/^250 OK/);
    await server.untilCounts({ Delivery: 1 });
    const pid = server.pid;
    // What a server starts it would have to reap.
    const tasks = readdirSync(`/proc/${pid}/task`);
    expect(tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')).join('')).toBe('');

    const talk = await SmtpTalk.greeted(server.smtp);
    await talk.command('MAIL FROM:<ann@example.org>', '250');
    await talk.command('RCPT TO:<joe@dest.example>', '250');
    await talk.command('DATA', '354');
    process.kill(pid, signal);
    await server.waitFor('-> stopping');
    talk.write('Subject: in hand\r\n\r\nbody\r\n.\r\n');
    expect(await talk.reply()).toMatch(/^250 OK/);
    await talk.quit().catch(() => {});
    expect(await server.ended()).toBe(0);
    expect(server.errors).toContain('Shutdown completed OK!');
    expect(server.counts().Reception).toBe(2);
  },
);
