import type { LocalLogsOptions, LoggerOptions } from './options/local-logs.ts';
import type { InitDeclaration } from './policy-host.ts';

const KINDS = ['configure_local_logs', 'policy.configure_plain_logs'];

/** The loggers of the policy, in the order in which it names them. */
export function declaredLoggers(declarations: readonly InitDeclaration[]): LoggerOptions[] {
  return declarations
    .filter(({ kind }) => KINDS.includes(kind))
    .map(({ options }) => options as LoggerOptions);
}

/** Every directory that a logger of segments writes to, its own first. */
export function logDirectories({ log_dir, per_record }: LocalLogsOptions): string[] {
  const others = Object.values(per_record).map((options) => options.log_dir ?? log_dir);
  return [...new Set([log_dir, ...others])];
}
