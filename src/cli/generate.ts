import { Command } from 'commander';

/** `moonpost generate [--check]` */
export function generateCommand(): Command {
  return new Command('generate')
    .description('write policy/types and policy/reference from the declarations')
    .option('--check', 'only compare, and fail when a file is stale')
    .action(async (options: { check?: boolean }) => {
      // Loaded only now: it is all of the product, and the other commands need none of it.
      const { generate } = await import('./generated-files.ts');
      process.exitCode = generate({ check: options.check === true });
    });
}
