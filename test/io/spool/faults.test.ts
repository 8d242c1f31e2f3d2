import { openLocalDiskSpool, openSegmentSpool } from '../../../src/io/spool/index.ts';
import { spoolFaultContract } from '../../contract/spool-faults.ts';
import { PromptClock } from '../../kit/prompt-clock.ts';
import { silentDiagnostics } from '../../kit/spool-diagnostics.ts';

spoolFaultContract('the segment log', (disk) =>
  openSegmentSpool({
    metaPath: '/meta/shard-0',
    dataPath: '/data/shard-0',
    clock: new PromptClock(),
    diagnostics: silentDiagnostics(),
    fileSystem: disk,
  }),
);

spoolFaultContract('the segment log with tiny segments', (disk) =>
  openSegmentSpool({
    metaPath: '/meta/shard-0',
    dataPath: '/data/shard-0',
    clock: new PromptClock(),
    diagnostics: silentDiagnostics(),
    fileSystem: disk,
    metaSegmentBytes: 300,
    bodySegmentBytes: 300,
  }),
);

spoolFaultContract('LocalDisk', (disk) =>
  openLocalDiskSpool({
    metaPath: '/meta',
    dataPath: '/data',
    clock: new PromptClock(),
    diagnostics: silentDiagnostics(),
    fileSystem: disk,
  }),
);
