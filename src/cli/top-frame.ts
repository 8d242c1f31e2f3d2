import { plain } from './output.ts';
import { naturally, type ReadyRow, type ScheduledRow, volumeOf } from './queue-rows.ts';
import { formatCount } from './table.ts';
import { FLOWS, type Flow, type TopSample } from './top-sample.ts';

/** What one frame shows. */
export interface TopView {
  endpoint: string;
  /** Time of the day, as text. */
  time: string;
  sample: TopSample;
  /** Per second, oldest first; the last is that of the sample. */
  history: readonly Record<Flow, number>[];
  /** Why the server could not be asked since. */
  error?: string;
}

/** What the rates, counts and titles take. */
const FIXED_LINES = FLOWS.length + 6;
/** Width of the columns of numbers. */
const NUMBER = 11;
/** Width of what there is to say of a queue, at least. */
const REMARK = 24;

/** The lines of a frame: at most `rows`, each at most `columns` wide. */
export function formatTop(view: TopView, columns: number, rows: number): string[] {
  const { sample, history } = view;
  const room = Math.max(2, rows - FIXED_LINES);
  const scheduled = topScheduled(sample.scheduledQueues);
  const ready = topReady(sample.readyQueues);
  // What one table does not need the other may have.
  const forReady = Math.min(ready.length, Math.max(Math.floor(room / 2), room - scheduled.length));
  const forScheduled = Math.min(scheduled.length, room - forReady);
  const lines = [
    headline(view),
    ...FLOWS.map((flow) => flowLine(flow, history, columns)),
    countLine(sample),
    adminLine(sample),
    '',
    ...tableLines(
      'SCHEDULED QUEUE',
      ['COUNT'],
      scheduled.slice(0, forScheduled).map(scheduledCells),
      columns,
    ),
    ...tableLines('READY QUEUE', ['D', 'T', 'C', 'Q'], ready.slice(0, forReady).map(readyCells), columns),
  ];
  return lines.slice(0, rows).map((line) => cut(line, columns).trimEnd());
}

function headline({ endpoint, time, sample, error }: TopView): string {
  const policy = `policy ${sample.generation}${sample.policyFailed ? ' (newer one FAILED)' : ''}`;
  const state = error === undefined ? '' : `  ${error}`;
  return plain(`moonpost top  ${time}  ${endpoint}  ${policy}${state}`);
}

function topScheduled(rows: readonly ScheduledRow[]): ScheduledRow[] {
  return rows.toSorted((a, b) => b.count - a.count || naturally(a.queue, b.queue));
}

/** Those with something in hand first. */
function topReady(rows: readonly ReadyRow[]): ReadyRow[] {
  const inHand = ({ queued, connections }: ReadyRow): number => queued + connections;
  return rows.toSorted(
    (a, b) => inHand(b) - inHand(a) || volumeOf(b) - volumeOf(a) || naturally(a.name, b.name),
  );
}

function flowLine(flow: Flow, history: readonly Record<Flow, number>[], columns: number): string {
  const rates = history.map((one) => one[flow]);
  const rate = `${formatRate(rates.at(-1) ?? 0)}/s`;
  return `${flow.padEnd(10)}${rate.padStart(NUMBER)}  ${sparkline(rates, Math.max(0, columns - 23))}`;
}

function countLine({ messages, scheduled, ready, connectionsIn, connectionsOut }: TopSample): string {
  const connections = `${formatCount(connectionsIn)} in ${formatCount(connectionsOut)} out`;
  return `messages ${formatCount(messages)}  scheduled ${formatCount(scheduled)}  ready ${formatCount(ready)}  connections ${connections}`;
}

function adminLine({ suspensions, readySuspensions, bounces, heldUp, memory }: TopSample): string {
  const used = memory === undefined ? '' : `  memory ${formatCount(memory / 2 ** 20)} MiB`;
  return `suspended ${suspensions}  ready queues suspended ${readySuspensions}  bounces ${bounces}  held up ${heldUp}${used}`;
}

interface Cells {
  name: string;
  numbers: number[];
  remark: string;
}

function scheduledCells({ queue, count, status }: ScheduledRow): Cells {
  return { name: queue, numbers: [count], remark: status.join(', ') };
}

function readyCells({ name, delivered, transient, connections, queued, status }: ReadyRow): Cells {
  return { name, numbers: [delivered, transient, connections, queued], remark: status.join(', ') };
}

/** Names, numbers at their right, and what there is to say, which gets what the others leave. */
function tableLines(
  title: string,
  numberTitles: readonly string[],
  rows: readonly Cells[],
  columns: number,
): string[] {
  const room = columns - numberTitles.length * NUMBER;
  const longest = Math.max(...rows.map(({ name }) => name.length), 0) + 1;
  const hasRemarks = rows.some(({ remark }) => remark !== '');
  const width = Math.max(20, hasRemarks ? Math.min(longest, room - REMARK) : room);
  const line = (name: string, numbers: readonly string[], remark: string): string => {
    const cells = numbers.map((number) => number.padStart(NUMBER)).join('');
    return `${padEnd(cut(plain(name), width - 1), width)}${cells}  ${plain(remark)}`.trimEnd();
  };
  return [
    line(title, numberTitles, ''),
    ...rows.map(({ name, numbers, remark }) => line(name, numbers.map(formatCount), remark)),
  ];
}

function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - [...text].length));
}

function formatRate(rate: number): string {
  return rate < 10 ? String(Math.round(rate * 10) / 10) : formatCount(rate);
}

const BARS = '▁▂▃▄▅▆▇█';

/** The last `width` values, the highest of them as a full bar. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = width === 0 ? [] : values.slice(-width);
  const most = shown.reduce((highest, value) => Math.max(highest, value), 0);
  return shown.map((value) => bar(value, most)).join('');
}

function bar(value: number, most: number): string {
  if (value <= 0) return ' ';
  return BARS[Math.min(BARS.length - 1, Math.floor((value / most) * BARS.length))]!;
}

/** So many characters at most; what was cut off shows. */
function cut(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text;
  return `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}
