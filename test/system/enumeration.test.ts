import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterEach(() => Moonpost.disposeAll());

test('mail is taken while the spool is still being enumerated', async () => {
  // Nobody listens on port 1, so the first message stays in the spool.
  const policy = initLua() + relayLua(1);
  const first = await Moonpost.start({ policy });
  await sendOne(first.smtp);
  await first.untilCounts({ TransientFailure: 1 });
  expect(await first.stop()).toBe(0);

  const held = `${policy}
kumo.on('spool_message_enumerated', function()
  kumo.log_info('enumeration is held')
  while #kumo.fs.uncached_glob('go', 'DIR') == 0 do
    kumo.time.sleep(0.02)
  end
end)
`;
  const second = Moonpost.spawn({ policy: held, directory: first.directory });
  await second.waitFor('enumeration is held');
  const port = Number(/smtp listener on \S+:(\d+)$/m.exec(second.errors)![1]);
  expect(await sendOne(port)).toMatch(/^250 OK/);
  expect(second.errors).not.toContain('enumeration done');
  writeFileSync(join(second.directory, 'go'), '');
  await second.waitFor('initialization complete');
  expect(second.errors).toContain('spooled in 1 msgs');
});

test('a server that is told to end while the spool is being enumerated does, and keeps all', async () => {
  const policy = initLua() + relayLua(1);
  const first = await Moonpost.start({ policy });
  for (let sent = 0; sent < 3; sent++) await sendOne(first.smtp);
  await first.untilCounts({ TransientFailure: 3 });
  expect(await first.stop()).toBe(0);

  const held = `${policy}
kumo.on('spool_message_enumerated', function()
  kumo.log_info('enumeration is held')
  kumo.time.sleep(1000000)
end)
`;
  const second = Moonpost.spawn({ policy: held, directory: first.directory });
  await second.waitFor('enumeration is held');
  expect(await second.stop()).toBe(0);
  expect(second.errors).toContain('Shutdown completed OK!');
  const third = await Moonpost.start({ policy, directory: first.directory });
  expect(third.errors).toContain('spooled in 3 msgs');
});
