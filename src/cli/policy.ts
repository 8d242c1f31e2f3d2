import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { PolicyStatus } from '../model/index.ts';
import { type EndpointOptions, endpointOption, request } from './endpoint.ts';

interface StatusOptions extends EndpointOptions {
  json?: boolean;
}

/** Between two questions whether a reload is done, ms, and how often it is asked at most. */
const ASK_EVERY = 100;
const MOST_QUESTIONS = 1500;

/** `moonpost policy status` and `moonpost policy reload`: which generation of the policy serves. */
export function policyCommand(): Command {
  const command = new Command('policy').description('the policy of a running server').exitOverride();
  const status = new Command('status')
    .description('which generation serves, since when, from which files; what failed; what takes a restart')
    .option('--json', 'as JSON')
    .action(async (options: StatusOptions) => show(await ask(options), options));
  const reload = new Command('reload')
    .description('read the policy again although no file changed, and say what came of it')
    .option('--json', 'as JSON')
    .action(async (options: StatusOptions) => show(await reloaded(options), options));
  for (const one of [status, reload]) command.addCommand(endpointOption(one).exitOverride());
  return command;
}

async function ask(options: EndpointOptions): Promise<PolicyStatus> {
  return (await (await request(options, 'GET', '/api/admin/policy-status/v1')).json()) as PolicyStatus;
}

async function reloaded(options: EndpointOptions): Promise<PolicyStatus> {
  const before = await ask(options);
  await request(options, 'POST', '/api/admin/bump-config-epoch');
  for (let asked = 0; asked < MOST_QUESTIONS; asked++) {
    const now = await ask(options);
    const isDone = now.generation !== before.generation || now.failure?.at !== before.failure?.at;
    if (isDone && !now.is_building) return now;
    await sleep(ASK_EVERY);
  }
  throw new Error(`the policy is still being built after ${(ASK_EVERY * MOST_QUESTIONS) / 1000} s`);
}

/** Exits with 1 when what is on disk does not serve. */
function show(status: PolicyStatus, options: StatusOptions): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(status, null, 2)}\n` : formatStatus(status));
  if (status.failure !== null) process.exitCode = 1;
}

/** The status for people. */
export function formatStatus(status: PolicyStatus): string {
  const lines = [
    `policy       ${status.policy}`,
    `generation   ${status.generation}, since ${status.since}${status.is_building ? '; the next is being built' : ''}`,
    ...listed('files', status.files),
    ...listed('monitored', status.monitored_globs),
    ...listed('events', [status.events.join(' ')]),
  ];
  for (const { generation, running } of status.old_generations) {
    lines.push(
      `old          generation ${generation} still handles ${running} event${running === 1 ? '' : 's'}`,
    );
  }
  for (const { declaration, change, where, options } of status.needs_restart) {
    const which = options === undefined ? '' : `: ${options.join(', ')}`;
    lines.push(`restart      ${where}: ${declaration} ${change}${which}`);
  }
  if (status.failure === null) lines.push('state        what is on disk serves');
  else {
    lines.push(`failed       ${status.failure.at}, after: ${status.failure.cause.join(', ')}`);
    lines.push(`             ${status.failure.error}`);
    lines.push(`state        generation ${status.generation} goes on serving`);
  }
  return `${lines.join('\n')}\n`;
}

function listed(title: string, values: readonly string[]): string[] {
  return values.map((value, index) => `${(index === 0 ? title : '').padEnd(13)}${value}`);
}
