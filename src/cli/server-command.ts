import { Command } from 'commander';
import { endpointOption, type Server, serverOf } from './endpoint.ts';

/** What every command that asks a server can be told. */
export interface ServerFlags {
  json?: boolean;
  dryRun?: boolean;
}

/** A command that asks a running server: with `--endpoint` and `--json`. */
export function serverCommand(name: string, description: string): Command {
  return endpointOption(new Command(name).description(description)).option('--json', 'as JSON');
}

/** Says what the command does. `flags` are those of the command and of the program. */
export function asks<Flags extends ServerFlags>(
  command: Command,
  ask: (server: Server, flags: Flags, self: Command) => Promise<void>,
): Command {
  return command.action(async (...given: unknown[]) => {
    const self = given.at(-1) as Command;
    await ask(serverOf(self), self.optsWithGlobals<Flags>(), self);
  });
}

/** Adds `--dry-run` to a command that changes something. */
export function dryRunOption(command: Command): Command {
  return command.option('--dry-run', 'change nothing: say how many messages and queues it would touch');
}
