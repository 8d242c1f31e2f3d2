import { type Command, InvalidArgumentError } from 'commander';
import {
  type LogRecord,
  parseDuration,
  parseQueueName,
  type QueueNameParts,
  RECORD_TYPES,
} from '../model/index.ts';

/** What of the delivery log somebody wants to see. A record has to fit every option that is given. */
export interface RecordFilterOptions {
  type?: string[];
  id?: string[];
  sender?: string[];
  recipient?: string[];
  domain?: string[];
  queue?: string[];
  site?: string[];
  tenant?: string[];
  campaign?: string[];
  code?: string[];
  class?: string[];
  source?: string[];
  pool?: string[];
  provider?: string[];
  peer?: string[];
  session?: string[];
  contains?: string[];
  since?: number;
}

type Seen = Partial<LogRecord>;
type Values = (string | null | undefined)[];

/** The values of a record that an option is about. */
const VALUES: Readonly<
  Record<Exclude<keyof RecordFilterOptions, 'since' | 'code' | 'contains'>, (record: Seen) => Values>
> = {
  type: ({ type }) => [type],
  id: ({ id }) => [id],
  sender: ({ sender }) => [sender],
  recipient: (record) => recipientsOf(record),
  domain: (record) =>
    recipientsOf(record).map((recipient) => recipient.slice(recipient.lastIndexOf('@') + 1)),
  queue: ({ queue }) => [queue],
  site: ({ site }) => [site],
  tenant: ({ queue, meta }) => [partsOf(queue).tenant, text(meta?.tenant)],
  campaign: ({ queue, meta }) => [partsOf(queue).campaign, text(meta?.campaign)],
  class: ({ bounce_classification: name }) => [name],
  source: ({ egress_source: name }) => [name],
  pool: ({ egress_pool: name }) => [name],
  provider: ({ provider_name: name }) => [name],
  peer: ({ peer_address: peer }) => [peer?.name, peer?.addr],
  session: ({ session_id: id }) => [id],
};

/** Adds the options that choose records. Several values of one option, also with commas, are alternatives. */
export function recordFilterOptions(command: Command): Command {
  const wild = '(* stands for anything)';
  return command
    .option('--type <type>', `types of records: ${RECORD_TYPES.join(', ')}`, types)
    .option('--id <id>', 'messages', several)
    .option('--sender <address>', `senders ${wild}`, several)
    .option('--recipient <address>', `recipients ${wild}`, several)
    .option('--domain <domain>', `domains of recipients ${wild}`, several)
    .option('--queue <name>', `scheduled queues ${wild}`, several)
    .option('--site <name>', `ready queues ${wild}`, several)
    .option('--tenant <name>', `tenants, by the queue or the metadata ${wild}`, several)
    .option('--campaign <name>', `campaigns, by the queue or the metadata ${wild}`, several)
    .option('--code <code>', 'codes of responses, as 550, 4xx or 500-559', codes)
    .option('--class <name>', `bounce classes ${wild}`, several)
    .option('--source <name>', `egress sources ${wild}`, several)
    .option('--pool <name>', `egress pools ${wild}`, several)
    .option('--provider <name>', `providers ${wild}`, several)
    .option('--peer <name>', `hosts of the other end, by name or address ${wild}`, several)
    .option('--session <id>', 'connections', several)
    .option('--contains <text>', 'responses with this text in them', each)
    .option('--since <time>', 'not before this time (RFC 3339), or this long ago, as 10m', since);
}

/** Undefined when everything is wanted. */
export function recordFilter(options: RecordFilterOptions): ((record: Seen) => boolean) | undefined {
  const tests: ((record: Seen) => boolean)[] = [];
  for (const [name, valuesOf] of Object.entries(VALUES)) {
    const patterns = options[name as keyof typeof VALUES]?.map(wildcard);
    if (patterns === undefined) continue;
    tests.push((record) =>
      valuesOf(record).some(
        (value) => typeof value === 'string' && patterns.some((fits) => fits(value.toLowerCase())),
      ),
    );
  }
  const codes = options.code?.map(codeRange);
  if (codes !== undefined) {
    tests.push(({ response }) =>
      codes.some(([from, to]) => Number(response?.code) >= from && Number(response?.code) <= to),
    );
  }
  const texts = options.contains?.map((text) => text.toLowerCase());
  if (texts !== undefined) {
    tests.push(({ response }) =>
      texts.some((text) =>
        String(response?.content ?? '')
          .toLowerCase()
          .includes(text),
      ),
    );
  }
  const { since } = options;
  if (since !== undefined) tests.push(({ timestamp }) => Number(timestamp) * 1000 >= since - 999);
  return tests.length === 0 ? undefined : (record) => tests.every((fits) => fits(record));
}

function recipientsOf({ recipient }: Seen): string[] {
  return Array.isArray(recipient) ? recipient : [recipient ?? ''];
}

function partsOf(queue: string | undefined): Partial<QueueNameParts> {
  return queue === undefined ? {} : parseQueueName(queue);
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Takes time that is linear in both, whatever the pattern. */
function wildcard(pattern: string): (text: string) => boolean {
  const pieces = pattern.toLowerCase().split('*');
  if (pieces.length === 1) return (text) => text === pieces[0];
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  return (text) => {
    if (!text.startsWith(first) || text.length < first.length + last.length) return false;
    let at = first.length;
    for (const piece of pieces.slice(1, -1)) {
      const found = text.indexOf(piece, at);
      if (found === -1) return false;
      at = found + piece.length;
    }
    return text.length - last.length >= at && text.endsWith(last);
  };
}

function codeRange(code: string): [from: number, to: number] {
  const [from, to = from] = code.split('-') as [string, string?];
  return [Number(from.replace(/x/gi, '0')), Number(to.replace(/x/gi, '9'))];
}

function several(given: string, before: string[] = []): string[] {
  return [...before, ...given.split(',').map((one) => one.trim())];
}

function types(given: string, before: string[] = []): string[] {
  const named = several(given, before);
  for (const name of named) {
    if (name.includes('*') || RECORD_TYPES.some((type) => type.toLowerCase() === name.toLowerCase()))
      continue;
    throw new InvalidArgumentError(`there is no type '${name}'.`);
  }
  return named;
}

function codes(given: string, before: string[] = []): string[] {
  const named = several(given, before);
  const wrong = named.find((code) => !/^\d[\dx]{2}(-\d[\dx]{2})?$/i.test(code));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`'${wrong}' is no code such as 550, 4xx or 500-559.`);
  return named;
}

/** Not cut at commas. */
function each(given: string, before: string[] = []): string[] {
  return [...before, given];
}

function since(given: string): number {
  const duration = parseDuration(given);
  const at = duration === undefined ? Date.parse(given) : Date.now() - duration;
  if (Number.isNaN(at))
    throw new InvalidArgumentError('must be a time such as 2026-01-31T12:00:00Z, or 10m.');
  return at;
}
