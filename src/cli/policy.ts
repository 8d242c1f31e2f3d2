import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { PolicyStatus } from '../model/index.ts';
import type { Server } from './endpoint.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';

/** Between two questions whether a reload is done, ms, and how often it is asked at most. */
const ASK_EVERY = 100;
const MOST_QUESTIONS = 1500;

/** `moonpost policy status` and `moonpost policy reload`: which generation of the policy serves. */
export function policyCommand(): Command {
  const command = new Command('policy').description('the policy of a running server').exitOverride();
  const status = serverCommand(
    'status',
    'which generation serves, since when, from which files; what failed; what takes a restart',
  );
  const reload = serverCommand(
    'reload',
    'read the policy again although no file changed, and say what came of it',
  );
  asks(status, async (server, flags) => show(await ask(server), flags));
  asks(reload, async (server, flags) => show(await reloaded(server), flags));
  for (const one of [status, reload]) command.addCommand(one.exitOverride());
  return command;
}

function ask(server: Server): Promise<PolicyStatus> {
  return server.getJson('/api/admin/policy-status/v1');
}

async function reloaded(server: Server): Promise<PolicyStatus> {
  const before = await ask(server);
  await server.text('POST', '/api/admin/bump-config-epoch');
  for (let asked = 0; asked < MOST_QUESTIONS; asked++) {
    const now = await ask(server);
    const isDone = now.generation !== before.generation || now.failure?.at !== before.failure?.at;
    if (isDone && !now.is_building) return now;
    await sleep(ASK_EVERY);
  }
  throw new Error(`the policy is still being built after ${(ASK_EVERY * MOST_QUESTIONS) / 1000} s`);
}

/** Exits with 1 when what is on disk does not serve. */
function show(status: PolicyStatus, options: ServerFlags): void {
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
