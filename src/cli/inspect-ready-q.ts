import type { Command } from 'commander';
import { type Json, parseDuration } from '../model/index.ts';
import { formatToml } from '../model/texts/index.ts';
import { plain, print, printJson } from './output.ts';
import { withoutNull } from './resolve-egress-path.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';
import { formatCount, formatTable } from './table.ts';

interface State {
  context: string;
  since: string;
}

/** As GET /api/admin/inspect-ready-q/v1 answers (operations.md 5.9). */
export interface ReadyQueueAnswer {
  queue_name: string;
  egress_source: string;
  egress_pool: string | null;
  protocol: string;
  state: {
    ready_count: number;
    connection_count: number;
    connection_rate_throttled: State | null;
    connection_limited: State | null;
    suspended: { reason: string; duration: string } | null;
    watchdog_threshold: string;
  };
  path_config: { [key: string]: Json };
  scheduled_queue_names?: string[];
  dispatchers: DispatcherAnswer[];
}

interface DispatcherAnswer {
  session_id: string | null;
  age: string;
  phase: string | Record<string, unknown>;
  time_in_current_phase: string;
  messages_delivered: number;
  messages_transfailed: number;
  messages_failed: number;
}

interface InspectFlags extends ServerFlags {
  connections?: boolean;
  config?: boolean;
  schedQ?: boolean;
}

/** `moonpost inspect-ready-q QUEUE` */
export function inspectReadyQueueCommand(): Command {
  const command = serverCommand(
    'inspect-ready-q',
    'a ready queue: what waits, what holds it up, its connections',
  )
    .argument('<queue>', 'such as SOURCE->SITE@smtp_client')
    .option('--connections', 'each connection')
    .option('--config', 'the configuration of the path, as TOML')
    .option('--sched-q', 'the scheduled queues that feed it');
  return asks<InspectFlags>(command, async (server, flags, self) => {
    const { json, connections, config, schedQ } = flags;
    if (json === true && (connections === true || config === true || schedQ === true)) {
      self.error('error: --json shows all of it; it goes with no other option');
    }
    const query = { queue_name: self.args[0], include_scheduled_queues: json === true || schedQ === true };
    const queue = await server.getJson<ReadyQueueAnswer>('/api/admin/inspect-ready-q/v1', { query });
    if (json === true) printJson(queue);
    else print(formatReadyQueue(queue, flags));
  });
}

/** The answer for people. */
export function formatReadyQueue(queue: ReadyQueueAnswer, flags: InspectFlags): string {
  const { state } = queue;
  const parts = [
    lines([
      ['queue', queue.queue_name],
      ['source', queue.egress_source],
      ['pool', queue.egress_pool ?? '-'],
      ['protocol', queue.protocol],
      ['ready', formatCount(state.ready_count)],
      ['connections', formatCount(state.connection_count)],
      ...held('limited', state.connection_limited),
      ...held('throttled', state.connection_rate_throttled),
      ...(state.suspended === null
        ? []
        : [['suspended', `${state.suspended.reason}, for ${state.suspended.duration}`] as const]),
      ['watchdog', `after ${state.watchdog_threshold} without progress`],
    ]),
  ];
  if (flags.connections === true) parts.push(formatConnections(queue));
  if (flags.schedQ === true)
    parts.push(`${['SCHEDULED QUEUE', ...(queue.scheduled_queue_names ?? []).map(plain)].join('\n')}\n`);
  if (flags.config === true) parts.push(formatToml(withoutNull(queue.path_config)));
  return parts.join('\n');
}

function held(title: string, state: State | null): (readonly [string, string])[] {
  return state === null ? [] : [[title, `${state.context}, since ${state.since}`]];
}

function lines(pairs: readonly (readonly [string, string])[]): string {
  return pairs.map(([title, value]) => `${title.padEnd(13)}${plain(value)}\n`).join('');
}

function formatConnections({ dispatchers, state }: ReadyQueueAnswer): string {
  const patience = parseDuration(state.watchdog_threshold) ?? Infinity;
  const columns = [
    { title: 'SESSION' },
    { title: 'PHASE' },
    { title: 'FOR' },
    { title: 'AGE' },
    { title: 'D', right: true },
    { title: 'T', right: true },
    { title: 'F', right: true },
    { title: '' },
  ];
  const rows = dispatchers.map((one) => [
    one.session_id ?? '-',
    typeof one.phase === 'string' ? one.phase : JSON.stringify(one.phase),
    one.time_in_current_phase,
    one.age,
    ...[one.messages_delivered, one.messages_transfailed, one.messages_failed].map(formatCount),
    stallMark(one, patience),
  ]);
  return formatTable(columns, rows);
}

/** How near the watchdog is to ending the connection. One that is idle may be so for as long as its path says. */
function stallMark({ phase, time_in_current_phase: time }: DispatcherAnswer, patience: number): string {
  const waited = phase === 'Idle' ? 0 : (parseDuration(time) ?? 0);
  if (waited >= patience) return '⚠ STUCK';
  return waited >= 0.75 * patience ? '⚠ STALL?' : '';
}
