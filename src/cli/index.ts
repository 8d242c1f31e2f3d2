import { Command, CommanderError } from 'commander';
import { productVersion } from '../io/files/index.ts';
import { apiCommand } from './api.ts';
import { completionCommand } from './completion.ts';
import { endpointOption } from './endpoint.ts';
import { explainThrottleCommand } from './explain-throttle.ts';
import { generateCommand } from './generate.ts';
import { operatorsCommands } from './operators-commands.ts';
import { policyCommand } from './policy.ts';
import { resolveQueueConfigCommand, resolveShapingDomainCommand, resolveSiteNameCommand } from './resolve.ts';
import { serveOptions } from './serve.ts';
import { sinkCommand } from './sink.ts';
import { tailCommand, tailerCommand } from './tail.ts';
import { validateShapingCommand } from './validate-shaping.ts';

/** Names of all subcommands. */
export function commandNames(): string[] {
  return commandLine().commands.map((command) => command.name());
}

function commandLine(): Command {
  const program = new Command('moonpost')
    .description('Mail transfer agent whose every decision is a Lua policy event')
    .version(productVersion(), '-V, --version')
    .exitOverride();
  serveOptions(program);
  endpointOption(program);
  for (const command of [
    sinkCommand(),
    tailCommand(),
    tailerCommand(),
    policyCommand(),
    ...operatorsCommands(),
    validateShapingCommand(),
    resolveShapingDomainCommand(),
    resolveQueueConfigCommand(),
    resolveSiteNameCommand(),
    explainThrottleCommand(),
    completionCommand(),
    apiCommand(),
    generateCommand(),
  ]) {
    program.addCommand(command.exitOverride());
  }
  return program;
}

/**
 * Runs the command that `argv` names. Exit codes as operations.md 1.4: 0 done, 1 any error, 2 bad usage.
 */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const program = commandLine();
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else {
      process.stderr.write(`Error: ${(error as Error).message}\n`);
      // Whatever is still open must not keep a server that cannot start alive.
      process.exit(1);
    }
  }
}
