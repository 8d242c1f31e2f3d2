import { type Command, InvalidArgumentError, Option } from 'commander';
import { CLOSE, connectWebSocket } from '../io/websocket/index.ts';
import type { TraceEvent, TraceRequest, TraceSide } from '../model/index.ts';
import { parseCidr } from '../protocol/ip/index.ts';
import type { Server } from './endpoint.ts';
import { note, plainJson } from './output.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';
import { TraceLines } from './trace-lines.ts';

/** What both commands can be told. */
export interface TraceFlags extends ServerFlags {
  color: 'tty' | 'yes' | 'no';
  onlyNew?: boolean;
  onlyOne?: boolean;
  terse?: boolean;
}

/** How long the server may take to begin, ms. */
const TIMEOUT = 60_000;
/** Octets of one event. */
const MAX_EVENT = 16 * 1024 * 1024;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A command that shows the sessions of one side until it is told to stop. `request` says which are wanted. */
export function traceCommand<Flags extends TraceFlags>(
  side: TraceSide,
  about: string,
  options: readonly Option[],
  request: (flags: Flags) => TraceRequest,
): Command {
  const command = serverCommand(`trace-smtp-${side}`, about);
  for (const option of options) command.addOption(option);
  command
    .addOption(new Option('--color <when>', 'colours').choices(['tty', 'yes', 'no']).default('tty'))
    .option('--only-new', 'leave out sessions that had begun before')
    .option('--only-one', 'show the first session only, and end with it')
    .option('--terse', 'of messages show the first line only');
  return asks<Flags>(command, async (server, flags) => {
    const wanted = { ...request(flags), ...(flags.terse === true && { terse: true }) };
    await showTrace(server, side, wanted, flags);
  });
}

/** An option that may be given several times. */
export function listOption(flags: string, about: string): Option {
  return new Option(flags, `${about}; may be repeated`).argParser(
    (text: string, before: string[] | undefined) => [...(before ?? []), text],
  );
}

/** The same for blocks of addresses. */
export function cidrOption(flags: string, about: string): Option {
  return new Option(flags, `${about}; may be repeated`).argParser(
    (text: string, before: string[] | undefined) => {
      try {
        parseCidr(text);
      } catch (error) {
        throw new InvalidArgumentError((error as Error).message);
      }
      return [...(before ?? []), text];
    },
  );
}

/** Shows what comes until the trace is over: by a signal, by whoever reads the output, or with the one session. */
async function showTrace(
  server: Server,
  side: TraceSide,
  request: TraceRequest,
  flags: TraceFlags,
): Promise<void> {
  const url = new URL(`/api/admin/trace-smtp-${side}/v1`, server.url);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const show = makeShow(side, flags);
  let isEnded = false;
  let isFull = false;
  const end = (): void => {
    isEnded = true;
    socket.close();
  };
  const drained = (): void => {
    isFull = false;
    socket.resume();
  };
  const onText = (text: string): void => {
    if (isEnded) return;
    const { output, isOver } = show(text);
    if (!process.stdout.write(output) && !isFull) {
      isFull = true;
      socket.pause();
      process.stdout.once('drain', drained);
    }
    if (isOver) end();
  };
  const socket = await connectWebSocket(url, { timeout: TIMEOUT, maxLength: MAX_EVENT, onText });
  for (const signal of SIGNALS) process.once(signal, end);
  // `… | head` closes our output; that is the end and no error.
  process.stdout.on('error', end);
  socket.send(JSON.stringify(request));
  note(`Watching ${url.origin}; Ctrl-C ends it.`);
  const { code, reason } = await socket.whenClosed;
  for (const signal of SIGNALS) process.off(signal, end);
  process.stdout.off('error', end);
  if (isEnded) return;
  if (code === CLOSE.abnormal) throw new Error(`lost the connection to ${url.origin}`);
  throw new Error(`${url.origin} ended the trace: ${reason === '' ? `code ${code}` : reason}`);
}

/** What is printed for an event; `isOver` when nothing will come after it. */
function makeShow(side: TraceSide, flags: TraceFlags): (text: string) => { output: string; isOver: boolean } {
  const { color, onlyNew = false, onlyOne = false, json } = flags;
  const colours = color === 'yes' || (color === 'tty' && process.stdout.isTTY === true);
  const lines = new TraceLines({ side, colours, onlyNew, onlyOne });
  return (text) => {
    const event = JSON.parse(text) as TraceEvent;
    const shown = lines.lines(event);
    if (json !== true) return { output: shown.map((line) => `${line}\n`).join(''), isOver: lines.isOver };
    return { output: shown.length === 0 ? '' : `${plainJson(text)}\n`, isOver: lines.isOver };
  };
}
