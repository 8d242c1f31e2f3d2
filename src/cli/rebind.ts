import { type Command, InvalidArgumentError } from 'commander';
import { showPreview } from './dry-run.ts';
import { note, printJson } from './output.ts';
import { selectorOf, selectorOptions } from './selector.ts';
import { asks, dryRunOption, type ServerFlags, serverCommand } from './server-command.ts';

type Pairs = Record<string, string>;

interface RebindFlags extends ServerFlags {
  reason: string;
  data?: Pairs;
  set?: Pairs;
  triggerRebindEvent?: boolean;
  alwaysFlush?: boolean;
  suppressLogging?: boolean;
}

/** `moonpost rebind` */
export function rebindCommand(): Command {
  const about = 'put queued messages into the queues that changed metadata says';
  const command = selectorOptions(serverCommand('rebind', about))
    .requiredOption('--reason <text>', 'why, for the records')
    .option('--data <json>', 'metadata to write, as a JSON object of strings', jsonPairs)
    .option('--set <key=value>', 'metadata to write, over that of --data (may be repeated)', addPair)
    .option('--trigger-rebind-event', 'give the data to the event rebind_message instead of writing it')
    .option('--always-flush', 'messages that stay in their queue are due at once too')
    .option('--suppress-logging', 'write no AdminRebind records');
  return asks<RebindFlags>(dryRunOption(command), async (server, flags, self) => {
    const body = {
      ...selectorOf(self),
      reason: flags.reason,
      data: { ...flags.data, ...flags.set },
      trigger_rebind_event: flags.triggerRebindEvent,
      always_flush: flags.alwaysFlush,
      suppress_logging: flags.suppressLogging,
    };
    const path = '/api/admin/rebind/v1';
    if (flags.dryRun === true) return showPreview(server, path, body, 'rebind', flags);
    const answer = await server.postJson(path, body);
    if (flags.json === true) return printJson(answer);
    note('Messages are rebound in the background; the diagnostics say when, AdminRebind records which.');
  });
}

function jsonPairs(text: string): Pairs {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject || Object.values(value as object).some((one) => typeof one !== 'string')) {
    throw new InvalidArgumentError('must be a JSON object whose values are strings');
  }
  return value as Pairs;
}

function addPair(text: string, pairs: Pairs | undefined): Pairs {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('must be KEY=VALUE');
  return { ...pairs, [text.slice(0, equals)]: text.slice(equals + 1) };
}
