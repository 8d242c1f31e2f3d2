import type { AccountingLogOptions, LocalLogsOptions, LoggerOptions } from './options/index.ts';
import type { InitDeclaration } from './policy-host.ts';

const KINDS = ['configure_local_logs', 'policy.configure_plain_logs'];

/** The loggers of the policy, in the order in which it names them. */
export function declaredLoggers(declarations: readonly InitDeclaration[]): LoggerOptions[] {
  return declarations
    .filter(({ kind }) => KINDS.includes(kind))
    .map(({ options }) => options as LoggerOptions);
}

/** Every directory that a logger of segments writes to, its own first. */
export function logDirectories({
  log_dir,
  per_record,
}: Pick<LocalLogsOptions, 'log_dir' | 'per_record'>): string[] {
  const others = Object.values(per_record).map((options) => options.log_dir ?? log_dir);
  return [...new Set([log_dir, ...others])];
}

/** What policy says of the audit log. */
export function accountingLog(declarations: readonly InitDeclaration[]): AccountingLogOptions | undefined {
  const declared = declarations.findLast(({ kind }) => kind === 'aaa.configure_acct_log');
  return declared?.options as AccountingLogOptions | undefined;
}

/** Its files, which come after those of the loggers. */
export function accountingFiles(
  declarations: readonly InitDeclaration[],
): (AccountingLogOptions & Pick<LocalLogsOptions, 'per_record'> & { prefix: string })[] {
  const options = accountingLog(declarations);
  return options === undefined ? [] : [{ ...options, per_record: {}, prefix: 'acct-' }];
}
