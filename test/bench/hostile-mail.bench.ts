// ms per call on hostile messages, and how the time grows: node test/bench/hostile-mail.bench.ts [MB] [ms to show]
import { HeaderError, MimeError } from '../../src/protocol/mime/index.ts';
import { HOSTILE_MAIL } from '../kit/hostile-mail.ts';
import { MIME_WORK } from '../kit/mime-work.ts';

const size = Number(process.argv[2] ?? 25) * 1024 * 1024;
const shown = Number(process.argv[3] ?? 100);

function measure(work: (message: Buffer) => unknown, message: Buffer): { ms: number; note: string } {
  let note = '';
  const start = performance.now();
  try {
    work(message);
  } catch (error) {
    if (!(error instanceof HeaderError) && !(error instanceof MimeError)) throw error;
    note = `  refused: ${error.message}`;
  }
  return { ms: performance.now() - start, note };
}

let worst = 0;
for (const [name, make] of Object.entries(HOSTILE_MAIL)) {
  const [half, whole] = [make(size / 2), make(size)];
  for (const [what, work] of Object.entries(MIME_WORK)) {
    const first = measure(work, half);
    const { ms, note } = measure(work, whole);
    worst = Math.max(worst, ms);
    if (ms < shown) continue;
    const growth = `x${(ms / first.ms).toFixed(1)} for twice the size`;
    process.stdout.write(
      `${name.padEnd(36)} ${what.padEnd(15)} ${ms.toFixed(0).padStart(6)} ms  ${growth}${note}\n`,
    );
  }
}
process.stdout.write(`the slowest call on ${size / 1024 / 1024} MB: ${worst.toFixed(0)} ms\n`);
