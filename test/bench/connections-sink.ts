/** The receiving end of connections.bench.ts, a process of its own: holds its answers back until it is told to go on. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { numberOf } from '../kit/injector.ts';

/** What the parent process asks for. */
export type SinkOrder = 'go' | 'report';

export interface SinkReport {
  port: number;
  open: number;
  /** The most connections that were open at once. */
  peak: number;
  messages: number;
  /** Numbers that came more than once. */
  repeated: number[];
}

const seen = new Set<number>();
const report: SinkReport = { port: 0, open: 0, peak: 0, messages: 0, repeated: [] };
/** Answers to messages that are held back. */
let held: (() => void)[] | undefined = [];

function take(body: string, answer: () => void): void {
  const number = numberOf(body);
  report.messages++;
  if (seen.has(number)) report.repeated.push(number);
  seen.add(number);
  if (held === undefined) answer();
  else held.push(answer);
}

function serve(socket: Socket): void {
  report.open++;
  report.peak = Math.max(report.peak, report.open);
  let input = '';
  let inData = false;
  let isOpen = true;
  // A peer that has said QUIT and got its answer may open another before this one hears of the end.
  const end = (): void => {
    if (isOpen) report.open--;
    isOpen = false;
  };
  const say = (line: string): void => void socket.write(`${line}\r\n`);
  const command = (line: string): void => {
    const verb = line.slice(0, 4).toUpperCase();
    inData = verb === 'DATA';
    if (verb === 'QUIT') {
      end();
      socket.end('221 bye\r\n');
    } else say(inData ? '354 go on' : '250 fine');
  };
  socket.setEncoding('latin1').setNoDelay(true);
  socket.on('data', (text: string) => {
    input += text;
    for (;;) {
      const at = input.indexOf(inData ? '\r\n.\r\n' : '\r\n');
      if (at < 0) return;
      const part = input.slice(0, at);
      input = input.slice(at + (inData ? 5 : 2));
      if (inData) take(part, () => say('250 taken'));
      if (inData) inData = false;
      else command(part);
    }
  });
  socket.on('error', () => {});
  socket.on('close', end);
  say('220 sink.test');
}

const server = createServer(serve);
server.listen({ port: 0, host: '0.0.0.0', backlog: 4096 });
await once(server, 'listening');
report.port = (server.address() as AddressInfo).port;
process.on('message', (order: SinkOrder) => {
  if (order === 'report') process.send!(report);
  for (const answer of order === 'go' ? (held ?? []) : []) answer();
  if (order === 'go') held = undefined;
});
process.on('disconnect', () => process.exit());
process.send!(report);
