import { expect, test } from 'vitest';
import { openLocalDiskSpool } from '../../../src/io/spool/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { silentDiagnostics } from '../../kit/spool-diagnostics.ts';
import { VolatileDisk } from '../../kit/volatile-disk.ts';

const envelope = (sender: string) => ({ sender, recipients: ['r@example.org'], meta: {} });

test('a message whose change failed twice, each time elsewhere, is as it was', async () => {
  const disk = new VolatileDisk();
  const spool = await openLocalDiskSpool({
    metaPath: '/meta',
    dataPath: '/data',
    clock: new FakeClock(),
    diagnostics: silentDiagnostics(),
    fileSystem: disk,
  });
  const entry = await spool.store('a'.repeat(32), envelope('first@example.org'), Buffer.from('as it came'));
  let created = 0;
  // The new metadata gets into its place, is not durable there, and the old cannot be brought back.
  disk.fault = (call, path) => {
    if (call === 'create' && path.startsWith('/meta/new/') && ++created > 1) return 'ENOSPC';
    return call === 'syncDirectory' && path.startsWith('/meta/data/') ? 'EIO' : undefined;
  };
  const change = spool.updateEnvelope(entry, envelope('second@example.org'), Buffer.from('changed'));
  await expect(change).rejects.toThrow('EIO');
  // Now it can, but nothing newer can be written.
  created = 0;
  disk.fault = (call, path) =>
    call === 'create' && path.startsWith('/meta/new/') && ++created > 1 ? 'ENOSPC' : undefined;
  const again = spool.updateEnvelope(entry, envelope('third@example.org'), Buffer.from('changed again'));
  await expect(again).rejects.toThrow('ENOSPC');
  disk.fault = undefined;
  expect(await spool.loadEnvelope(entry)).toEqual(envelope('first@example.org'));
  expect(String(await spool.loadBody(entry))).toBe('as it came');
  await spool.close();
});
