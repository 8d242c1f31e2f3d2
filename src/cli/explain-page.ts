import { type EffectiveOption, type ExplainedStep, fromText } from '../model/index.ts';
import { formatEffective } from './effective-text.ts';
import type { SeenRecord } from './explain-records.ts';
import { plain } from './output.ts';

/** The answer of GET /api/admin/explain/v1. All but the first of these are of what was found. */
export interface ShownExplanation {
  found: boolean;
  subject: string;
  answer: string;
  log_dirs: string[];
  obstacles?: { effect: string; what: string; clears?: string; ends?: string; origin?: string }[];
  steps?: ExplainedStep[];
  queue?: { name: string; options: EffectiveOption[] };
  paths?: { source: string; ready_queue: string; options: EffectiveOption[] }[];
}

/** Columns of a page. */
const LEAST_WIDTH = 60;
const MOST_WIDTH = 120;
/** Longer names of steps do not move the others. */
const WIDEST_STEP = 30;

/** A page for a terminal: the answer, then how it came about. */
export function explainPage(
  told: ShownExplanation,
  records: readonly SeenRecord[],
  { all = false, columns = process.stdout.columns ?? 100 }: { all?: boolean; columns?: number } = {},
): string {
  const width = Math.min(Math.max(columns, LEAST_WIDTH), MOST_WIDTH);
  const { obstacles = [], steps = [], queue, paths = [] } = told;
  const parts = [
    [sentence(plain(told.subject)), wrapped(told.answer, 2, width), ...lastWords(told, records, width)].join(
      '\n',
    ),
  ];
  // One alone is told in the answer.
  if (obstacles.length > 1) {
    parts.push(
      `What holds it back\n${obstacles.map((one) => wrapped(obstacleText(one), 2, width)).join('\n')}`,
    );
  }
  for (const [section, own] of all ? bySection(steps) : brief(bySection(steps), told.answer))
    parts.push(`${section}\n${table(own, width)}`);
  if (records.length > 0) {
    parts.push(`So far\n${records.map((record) => wrapped(recordText(record), 2, width)).join('\n')}`);
  }
  const shown = (options: EffectiveOption[]): EffectiveOption[] =>
    all ? options : options.filter(({ origin }) => origin.kind !== 'built-in');
  if (queue !== undefined) {
    parts.push(formatEffective(plain(`Options of queue ${queue.name}`), shown(queue.options)).trimEnd());
  }
  for (const { names, options } of alike(paths)) {
    parts.push(
      formatEffective(plain(`Options of the path from ${names.join(', ')}`), shown(options)).trimEnd(),
    );
  }
  return parts.join('\n\n');
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function obstacleText({
  what,
  clears,
  ends,
  origin,
}: NonNullable<ShownExplanation['obstacles']>[number]): string {
  const until = clears === undefined ? ends : `until ${clears.slice(0, 19).replace('T', ' ')} UTC`;
  return [`- ${what}`, origin && fromText(origin), until && `; ends ${until}`]
    .filter(Boolean)
    .join(' ')
    .replace(' ;', ';');
}

function recordText({ type, event_time, response, peer_address }: SeenRecord): string {
  const { code, enhanced_code, content } = response;
  const enhanced =
    enhanced_code === null ? '' : ` ${Object.values(enhanced_code as Record<string, number>).join('.')}`;
  const peer = peer_address === null ? '' : ` (${peer_address.name} ${peer_address.addr})`;
  return `${event_time} ${type} ${code}${enhanced}${content === '' ? '' : ` ${content}`}${peer}`;
}

/** What the newest record says of why it waits, or of where it went. */
function lastWords({ found }: ShownExplanation, records: readonly SeenRecord[], width: number): string[] {
  const last = found
    ? records.findLast(({ type }) => type === 'TransientFailure' || type === 'Delayed')
    : records.at(-1);
  return last === undefined ? [] : [wrapped(`Last record: ${recordText(last)}`, 2, width)];
}

/** Of many sources only one in full: the one that the answer is about, or the first. */
function brief(sections: Map<string, ExplainedStep[]>, answer: string): Map<string, ExplainedStep[]> {
  const sources = [...sections].filter(([section]) => section.startsWith(SOURCE));
  if (sources.length < 2) return sections;
  const named = sources.find(([, steps]) =>
    steps.some(({ step, result }) => step === 'ready queue' && answer.includes(result)),
  );
  const full = (named ?? sources[0]!)[0];
  const others = sources
    .filter(([section]) => section !== full)
    .map(([section, steps]) => ({
      section: 'Other sources',
      step: section.slice(SOURCE.length),
      result: steps
        .filter(({ step }) => BRIEF.includes(step))
        .map(({ step, result, why }) =>
          step === 'share' ? result : `${step} ${result}${why === undefined ? '' : ` (${why})`}`,
        )
        .join('; '),
    }));
  const kept = new Map<string, ExplainedStep[]>();
  for (const [section, steps] of sections) {
    if (!section.startsWith(SOURCE) || section === full) kept.set(section, steps);
    if (section === sources.at(-1)![0]) kept.set('Other sources', others);
  }
  return kept;
}

const SOURCE = 'Source ';
/** Steps that are told of a source that is not told of in full. */
const BRIEF = ['share', 'health', 'path', 'suspended', 'connections'];

function bySection(steps: readonly ExplainedStep[]): Map<string, ExplainedStep[]> {
  const sections = new Map<string, ExplainedStep[]>();
  for (const step of steps) sections.set(step.section, [...(sections.get(step.section) ?? []), step]);
  return sections;
}

function table(steps: readonly ExplainedStep[], width: number): string {
  const names = steps.map(({ step }) => step.length).filter((length) => length <= WIDEST_STEP);
  const indent = Math.max(0, ...names) + 4;
  return steps
    .map(({ step, result, why, origin }) => {
      const text = [result, why && `(${why})`, origin && fromText(origin)].filter(Boolean).join(' ');
      const name = `  ${plain(step).padEnd(indent - 4)}  `;
      const rest = wrapped(text, indent, width);
      return name.length > indent ? `${name.trimEnd()}\n${rest}` : name + rest.slice(indent);
    })
    .join('\n');
}

/** The text in lines of at most `width` columns, as far as its words allow, each indented. */
function wrapped(text: string, indent: number, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of plain(text).split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one) => ' '.repeat(indent) + one).join('\n');
}

/** Sources whose paths have the same options are told of together. */
function alike(
  paths: NonNullable<ShownExplanation['paths']>,
): { names: string[]; options: EffectiveOption[] }[] {
  const groups = new Map<string, { names: string[]; options: EffectiveOption[] }>();
  for (const { source, options } of paths) {
    const key = JSON.stringify(options.filter(({ origin }) => origin.kind !== 'built-in'));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { names: [source], options });
    else group.names.push(source);
  }
  return [...groups.values()];
}
