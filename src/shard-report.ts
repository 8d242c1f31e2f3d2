import { getHeapStatistics } from 'node:v8';
import type { ReadyQueue, ReadyQueues } from './flow/ready-queue/index.ts';
import type { ScheduledQueue, ScheduledQueues } from './flow/scheduled-queue/index.ts';
import { systemClock } from './io/clock/index.ts';
import type { PolicyGenerations } from './lua/index.ts';
import { formatDuration, type InspectedConnection } from './model/index.ts';
import type { SmtpListeners } from './smtp-listeners.ts';

/** Queues, connections of a queue and handlers that a report shows at most. */
const MOST_QUEUES = 20;
const MOST_CONNECTIONS = 10;
const MOST_HANDLERS = 50;
/** Queues looked at per turn of the event loop. */
const LOOKED_AT_PER_TURN = 5000;

/** The rooms of a shard, as far as they are open. */
export interface ReportedRooms {
  queues: ScheduledQueues | undefined;
  ready: ReadyQueues | undefined;
  policy: PolicyGenerations | undefined;
  smtp: SmtpListeners | undefined;
}

/** What this thread is busy with, as text for people: of bounded size, and of no stable form. */
export async function reportTasks({ queues, ready, policy, smtp }: ReportedRooms): Promise<string> {
  const sessions = smtp?.sessions() ?? [];
  const lines = [
    `scheduled queues: ${queues?.count ?? 0} with ${queues?.size ?? 0} messages`,
    ...(await largest(queues?.live() ?? [], ({ size }) => size)).map(scheduledLine),
    ...(await readyLines(ready)),
    ...sessions.map(({ listener, count }) => `SMTP sessions of ${listener}: ${count}`),
    ...policyLines(policy),
    `waiting for: ${countedResources()}`,
  ];
  return lines.join('\n');
}

/** What this thread has in memory, likewise. */
export function reportMemory({ queues, ready, policy }: ReportedRooms): string {
  const heap = getHeapStatistics();
  const resident = queues?.resident;
  return [
    `heap: ${mebibytes(heap.used_heap_size)} in use of ${mebibytes(heap.total_heap_size)}, at most ${mebibytes(heap.heap_size_limit)}`,
    `outside of it: ${mebibytes(heap.external_memory)} (buffers, sockets)`,
    `messages: ${queues?.size ?? 0}, of which ${resident?.count ?? 0} are in memory in full and ${resident?.bodies ?? 0} with their bodies`,
    `queues: ${queues?.count ?? 0} scheduled, ${[...(ready?.live() ?? [])].length} ready`,
    `Lua states: ${policy?.serving.load.states ?? 0}`,
  ].join('\n');
}

async function largest<T>(all: Iterable<T>, sizeOf: (one: T) => number): Promise<T[]> {
  let found: T[] = [];
  let looked = 0;
  const keepFirst = (): void => {
    found = found.sort((a, b) => sizeOf(b) - sizeOf(a)).slice(0, MOST_QUEUES);
  };
  for (const one of all) {
    if (sizeOf(one) > 0) found.push(one);
    if (++looked % LOOKED_AT_PER_TURN !== 0) continue;
    keepFirst();
    await new Promise<void>((resolve) => void systemClock.after(0, resolve));
  }
  keepFirst();
  return found;
}

function scheduledLine(queue: ScheduledQueue): string {
  const { line, hold, until } = queue.waiting;
  const held = hold === undefined ? '' : `, held for ${hold} until ${new Date(until).toISOString()}`;
  return `  ${queue.name}: ${queue.size} messages, ${line?.length ?? 0} due${held}`;
}

async function readyLines(ready: ReadyQueues | undefined): Promise<string[]> {
  const all = [...(ready?.live() ?? [])];
  const connections = all.reduce((sum, queue) => sum + queue.connections, 0);
  const waiting = all.reduce((sum, queue) => sum + queue.length, 0);
  const shown = await largest(all, (queue) => queue.length + queue.connections);
  return [
    `ready queues: ${all.length} with ${waiting} messages and ${connections} connections`,
    ...shown.flatMap(readyQueueLines),
  ];
}

function readyQueueLines(queue: ReadyQueue): string[] {
  const open = queue.open.inspect();
  const states = Object.entries(queue.states).map(([name, { context }]) => `, ${name}: ${context}`);
  const more = open.length - MOST_CONNECTIONS;
  return [
    `  ${queue.name}: ${queue.length} messages, ${open.length} connections${states.join('')}`,
    ...open.slice(0, MOST_CONNECTIONS).map(connectionLine),
    ...(more > 0 ? [`    and ${more} more`] : []),
  ];
}

function connectionLine({ sessionId, phase, phaseSince, delivered }: InspectedConnection): string {
  const since = formatDuration(Math.max(0, Math.round((systemClock.now() - phaseSince) / 1000)) * 1000);
  return `    session ${sessionId ?? '(none yet)'}: ${phase} for ${since}, ${delivered} delivered`;
}

function policyLines(policy: PolicyGenerations | undefined): string[] {
  if (policy === undefined) return ['Lua states: the policy is being loaded'];
  const { states, serving, pinned, queued } = policy.serving.load;
  const waiting = policy.serving.waitingHandlers(MOST_HANDLERS);
  return [
    `Lua states: ${states}, ${serving} serve an event, ${pinned} a connection; ${queued} events wait for one`,
    ...policy.old.map(
      ({ generation, running }) => `policy generation ${generation}: ${running} events to finish`,
    ),
    `handlers that wait: ${waiting.length === MOST_HANDLERS ? 'at least ' : ''}${waiting.length}`,
    ...waiting.map(({ event, where }) => `  ${event} at ${where}`),
  ];
}

/** Timers, sockets and the like of this thread, each with its number. */
function countedResources(): string {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Array.from(counts, ([name, count]) => `${count} ${name}`).join(', ') || 'nothing';
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
