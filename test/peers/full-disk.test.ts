import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const mounted: string[] = [];
afterEach(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  for (const path of mounted.splice(0)) {
    spawnSync('umount', ['-l', path]);
    rmSync(path, { recursive: true, force: true });
  }
});

/**
 * A file system of its own of so many megabytes. Root mounts it here; anybody else gets it in a name space of
 * the server alone, which then has to be started through `wrapper`.
 */
function smallDisk(megabytes: number): string {
  const path = mkdtempSync(join(tmpdir(), 'moonpost-disk-'));
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], {
    encoding: 'utf8',
  });
  if (status !== 0) {
    throw new Error(`this test needs root and the right to mount a tmpfs (CAP_SYS_ADMIN): ${stderr}`);
  }
  mounted.push(path);
  return path;
}

test.each([undefined, 'LocalDisk'])(
  'a full disk answers 452, loses nothing and recovers by itself (%s)',
  async (kind) => {
    const disk = smallDisk(8);
    let refuse = true;
    const drop = await MailDrop.start({ data: () => (refuse ? '451 4.3.0 not now' : undefined) });
    const queue = "retry_interval = '2s', max_retry_interval = '2s'";
    const policy = (initLua() + relayLua(drop.port, { queue }))
      .replaceAll('DIR/spool', `${disk}/spool`)
      .replaceAll(
        /(define_spool .*)min_free_space/g,
        kind === undefined ? '$&' : `$1kind = '${kind}', min_free_space`,
      );
    const server = await Moonpost.start({ policy });

    const first = await inject(server.smtp, { count: 200, sessions: 4, size: 100_000 });
    expect(first.accepted.size).toBeGreaterThan(10);
    expect(first.accepted.size + first.refused.size).toBe(200);
    for (const reply of first.refused.values()) expect(reply).toMatch(/^452 4\.3\.1 /);
    expect(first.refused.size).toBeGreaterThan(0);
    await server.untilCounts({ Rejection: first.refused.size });

    // Still full: still 452, and the session that hears it lives.
    expect(await sendOne(server.smtp, 'rcpt@dest.example', `${'x'.repeat(70)}\r\n`.repeat(12_000))).toMatch(
      /^452 4\.3\.1 /,
    );

    refuse = false;
    await server.untilCounts({ Delivery: first.accepted.size });
    const reply = await eventually(async () => {
      const said = await sendOne(server.smtp, 'rcpt@dest.example', 'room again');
      return said.startsWith('250') ? said : undefined;
    });
    expect(reply).toMatch(/^250 OK/);
    await drop.until(first.accepted.size + 1);
    // Room came from what was delivered: as much as before fits once more.
    const second = await inject(server.smtp, { count: 20, sessions: 4, size: 100_000, first: 1000 });
    expect(second.refused.size).toBe(0);
    await drop.until(first.accepted.size + 21);
    expect(await server.stop()).toBe(0);
    const received = new Set(
      drop.messages.map(({ body }) => /^X-Number: (\d+)/m.exec(body)?.[1]).filter(Boolean),
    );
    for (const number of [...first.accepted.keys(), ...second.accepted.keys()]) {
      expect(received).toContain(String(number));
    }
    expect(server.counts().Reception).toBe(first.accepted.size + 21);
    expect(server.counts().Delivery).toBe(drop.messages.length);
  },
);

test('a disk filled by somebody else: 452, and mail flows again once it is freed', async () => {
  const disk = smallDisk(8);
  const drop = await MailDrop.start();
  const policy = (initLua() + relayLua(drop.port)).replaceAll('DIR/spool', `${disk}/spool`);
  const server = await Moonpost.start({ policy, shards: 2 });
  await inject(server.smtp, { count: 20, sessions: 16 });
  await drop.until(20);
  const hog = join(disk, 'hog');
  // Fills to the last byte; the write that does not fit is what it is about.
  expect(() => {
    for (let n = 0; ; n++) writeFileSync(`${hog}${n}`, Buffer.alloc(64 * 1024));
  }).toThrow('ENOSPC');
  const during = await inject(server.smtp, { count: 40, sessions: 16, size: 50_000, first: 100 });
  expect(during.refused.size).toBeGreaterThan(0);
  for (const reply of during.refused.values()) expect(reply).toMatch(/^452 4\.3\.1 /);
  spawnSync('sh', ['-c', `rm -f ${hog}*`]);
  await eventually(async () => ((await sendOne(server.smtp)).startsWith('250') ? true : undefined));
  const after = await inject(server.smtp, { count: 40, sessions: 16, size: 50_000, first: 200 });
  expect(after.refused.size).toBe(0);
  await drop.until(20 + during.accepted.size + 1 + 40);
  expect(await server.stop()).toBe(0);
});
