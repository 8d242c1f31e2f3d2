// us per 10 KB message through the DATA reader: node test/bench/data-reader.bench.ts
import { DataReader, type DataReaderOptions } from '../../src/protocol/smtp/data-reader.ts';

const OPTIONS: DataReaderOptions = {
  framing: 'dot',
  maxSize: 20_971_520,
  maxLineLength: 998,
  lineEndings: 'Deny',
};
const ROUNDS = 20_000;

const header = 'Subject: bench\r\nFrom: <a@example.org>\r\nTo: <b@example.com>\r\n\r\n';
const plain = Buffer.from(`${header}${`${'x'.repeat(76)}\r\n`.repeat(129)}.\r\n`);
const dotted = Buffer.from(`${header}${`..${'x'.repeat(74)}\r\n`.repeat(129)}.\r\n`);

function measure(label: string, wire: Buffer, chunkSize: number): void {
  const chunks: Buffer[] = [];
  for (let at = 0; at < wire.length; at += chunkSize) chunks.push(wire.subarray(at, at + chunkSize));
  const once = (): void => {
    const reader = new DataReader(OPTIONS);
    for (const chunk of chunks) reader.feed(chunk);
    if (!reader.ended || reader.finish().kind !== 'body') throw new Error('the message was not read');
  };
  for (let round = 0; round < ROUNDS / 10; round++) once();
  const start = process.hrtime.bigint();
  for (let round = 0; round < ROUNDS; round++) once();
  const microseconds = Number(process.hrtime.bigint() - start) / ROUNDS / 1000;
  process.stdout.write(`${label.padEnd(28)} ${wire.length} octets  ${microseconds.toFixed(2)} us\n`);
}

measure('one chunk', plain, plain.length);
measure('chunks of 1460', plain, 1460);
measure('every line dotted', dotted, dotted.length);
