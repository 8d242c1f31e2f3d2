import type { Diagnostics } from '../../src/model/index.ts';

/** Diagnostics that keep what was said: `level target: text`. */
export function silentDiagnostics(): Diagnostics & { lines: string[] } {
  const lines: string[] = [];
  const say =
    (level: string) =>
    (target: string, text: string): void => {
      lines.push(`${level} ${target}: ${text}`);
    };
  return { lines, error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') };
}
