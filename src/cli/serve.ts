import { existsSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { usableCpus } from '../io/cpu/index.ts';
import {
  DIAGNOSTIC_FORMATS,
  DiagnosticFilter,
  type DiagnosticFormat,
  setDiagnosticSettings,
} from '../io/diagnostics/index.ts';
import { asUser } from '../io/privileges/index.ts';
import { nearestName } from '../model/define/index.ts';
import { EnvelopeAddress } from '../protocol/smtp/index.ts';
import { metricMetadata } from './metric-metadata.ts';
import { print, printJson } from './output.ts';

/** Where the policy is looked for when none is named. */
const DEFAULT_POLICIES = ['./policy/init.lua', '/etc/moonpost/policy/init.lua'];

interface ServeOptions {
  policy?: string;
  user?: string;
  developmentRecipient?: string;
  shards?: number;
  validate?: boolean;
  dumpOpenapiSpec?: boolean;
  dumpMetricMetadata?: boolean;
  dumpLruttlCaches?: boolean;
  script?: boolean;
  scriptArgs: string[];
  diagLogDir?: string;
  diagFormat: DiagnosticFormat;
}

/** Makes running the server what `moonpost` does when no subcommand is named. */
export function serveOptions(program: Command): void {
  program
    .option('--policy <file>', `Lua policy to load (default: ${DEFAULT_POLICIES.join(', else ')})`)
    .option('--user <name>', 'user to run as once the ports are bound')
    .option(
      '--shards <n>',
      'worker threads, each with a full mail path (default: available cores)',
      shardCount,
    )
    .option(
      '--development-recipient <address>',
      'send all mail there instead, for trying a policy',
      mailAddress,
    )
    .option('--validate', 'check the policy and exit')
    .option('--script', 'run the event `main` of the policy with the arguments and exit')
    .option('--script-args <argument>', 'an argument of `main`, before those after --', collect, [])
    .option('--diag-log-dir <dir>', 'diagnostic lines go to a file per hour there instead of stderr')
    .addOption(
      new Option('--diag-format <format>', 'how they look').choices(DIAGNOSTIC_FORMATS).default('full'),
    )
    .option('--dump-openapi-spec', 'print the OpenAPI document of the HTTP API and exit')
    .option('--dump-metric-metadata', 'print what the metrics are as JSON and exit')
    .option(
      '--dump-lruttl-caches',
      'print the caches that have a size as JSON, of which there are none, and exit',
    )
    .argument('[arguments...]', 'what `main` gets, after --script')
    .action(async (args: string[], options: ServeOptions) => {
      if (args.length > 0 && options.script !== true) {
        const names = program.commands.map((command) => command.name());
        const meant = nearestName(args[0]!, names);
        // As commander says it of everything else.
        const hint = meant === undefined ? '' : `\n(Did you mean ${meant}?)`;
        program.error(`error: unknown command '${args[0]}'${hint}`);
      }
      if (options.dumpOpenapiSpec === true) {
        const { openApiText } = await import('./openapi-text.ts');
        print(openApiText());
        return;
      }
      if (options.dumpMetricMetadata === true) return printJson(metricMetadata());
      if (options.dumpLruttlCaches === true) return printJson([]);
      const policy = policyFile(options.policy);
      // What policy prints may have no reader any more: that is no reason to end.
      for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
      setUpDiagnostics(options);
      if (options.script === true) {
        const { runScript } = await import('../policy-script.ts');
        process.exitCode = await runScript(resolve(policy), [...options.scriptArgs, ...args]);
        endSoon();
        return;
      }
      // Loaded only now: the other commands need none of it.
      const { runServer, validatePolicy } = await import('../server.ts');
      if (options.validate === true) process.exitCode = await validatePolicy(policy);
      else {
        const shards = options.shards ?? usableCpus();
        const { user, developmentRecipient } = options;
        process.exitCode = await runServer({ policy, shards, user, developmentRecipient });
      }
      endSoon();
    });
}

/** Before any thread and any line. Throws what is wrong with KUMOD_LOG and the directory. */
function setUpDiagnostics({ diagLogDir, diagFormat, user }: ServeOptions): void {
  try {
    DiagnosticFilter.parse(process.env.KUMOD_LOG ?? '');
  } catch (error) {
    throw new Error(`KUMOD_LOG: ${(error as Error).message}`);
  }
  const directory = diagLogDir === undefined ? undefined : resolve(diagLogDir);
  if (directory !== undefined) {
    asUser(user, () => mkdirSync(directory, { recursive: true }));
  }
  setDiagnosticSettings({ format: diagFormat, directory });
}

function collect(text: string, before: readonly string[]): string[] {
  return [...before, text];
}

/** The policy that is named, or the first of the usual ones. Throws when there is none. */
export function policyFile(named: string | undefined): string {
  const policy = named ?? DEFAULT_POLICIES.find((path) => existsSync(path));
  if (policy === undefined) {
    throw new Error(`no policy: give --policy FILE, or put one at ${DEFAULT_POLICIES.join(' or ')}`);
  }
  if (!existsSync(policy)) throw new Error(`cannot read policy file ${policy}: no such file`);
  return policy;
}

/** What handlers of the policy still wait for must not keep the process. */
export function endSoon(): void {
  setTimeout(() => process.exit(), 1000).unref();
}

function mailAddress(text: string): string {
  const address = EnvelopeAddress.parse(text);
  if (address === undefined || address.domain === '')
    throw new InvalidArgumentError('must be a mail address');
  return address.email;
}

function shardCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 256) {
    throw new InvalidArgumentError('must be a whole number from 1 to 256');
  }
  return count;
}
