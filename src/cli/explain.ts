import { explainPage, type ShownExplanation } from './explain-page.ts';
import { recordsOf, type SeenRecord } from './explain-records.ts';
import { note, print, printJson } from './output.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';

interface ExplainFlags extends ServerFlags {
  from?: string;
  to?: string;
  tenant?: string;
  campaign?: string;
  routingDomain?: string;
  /** True: logs of any size; false, for `--no-log`: none. */
  log?: boolean;
  logDir?: string;
  all?: boolean;
}

/** A message id, with or without hyphens. */
const MESSAGE_ID = /^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** `moonpost explain ID | QUEUE | --from A --to B` */
export function explainCommand() {
  const command = serverCommand(
    'explain',
    'why mail is not delivered yet: the whole decision, and what is next',
  )
    .argument('[what]', 'a message id, or the name of a queue such as campaign:tenant@domain')
    .option('--to <address>', 'in place of a message: one to this recipient')
    .option('--from <address>', 'with --to: its sender')
    .option('--tenant <name>', 'with --to')
    .option('--campaign <name>', 'with --to')
    .option('--routing-domain <name>', 'with --to')
    .option('--log', 'read all of the log for the records of the message (default: when it is small)')
    .option('--log-dir <dir>', 'where the log is, if not where the server has it')
    .option('--no-log', 'do not read the log')
    .option('--all', 'options that nobody has set, too');
  return asks<ExplainFlags>(command, async (server, flags, self) => {
    const what = self.args[0];
    const { from, to, tenant, campaign, routingDomain } = flags;
    if ((what === undefined) === (to === undefined)) {
      self.error('error: explain takes a message id, the name of a queue, or --to with an address');
    }
    const isMessage = what !== undefined && MESSAGE_ID.test(what);
    const query = {
      id: isMessage ? what : undefined,
      queue: isMessage ? undefined : what,
      ...{ from, to, tenant, campaign, routing_domain: routingDomain },
    };
    const told = await server.getJson<ShownExplanation>('/api/admin/explain/v1', { query });
    const records = isMessage && flags.log !== false ? await recordsIn(what, told, flags) : [];
    if (flags.json === true) printJson({ ...told, ...(isMessage && { records }) });
    else if (told.found) print(explainPage(told, records, { all: flags.all === true }));
    else if (records.length > 0) print(explainPage({ ...told, answer: GONE }, records, {}));
    if (!told.found && records.length === 0) throw new Error(unknown(told, flags));
  });
}

const GONE = 'It is in no queue of this server any more. Its records say what became of it.';

async function recordsIn(
  id: string,
  { log_dirs: dirs }: ShownExplanation,
  { log, logDir }: ExplainFlags,
): Promise<SeenRecord[]> {
  const { records, remarks } = await recordsOf(id.replaceAll('-', '').toLowerCase(), {
    dirs: logDir === undefined ? dirs : [logDir],
    isThorough: log === true,
  });
  for (const remark of remarks) note(remark);
  return records;
}

function unknown({ subject, log_dirs: dirs }: ShownExplanation, { log, logDir }: ExplainFlags): string {
  const places = logDir === undefined ? dirs : [logDir];
  const read = log !== true ? 'with --log, all of the log is read; ' : '';
  const where = places.length === 0 ? 'the server writes no log' : `records: ${places.join(', ')}`;
  return `${subject} is in no queue of this server, and no record of it was found. Where to look: ${read}${where}; other servers, with --endpoint`;
}
