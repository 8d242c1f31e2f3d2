export type Level = 'error' | 'warn' | 'info' | 'debug';

const ORDER = ['off', 'error', 'warn', 'info', 'debug', 'trace'];

/** Targets that a filter of KumoMTA does not reach by `kumod=LEVEL`, by the name that does. */
const GROUPS: Readonly<Record<string, string>> = { lua: '', spool: '', policy: 'config' };

export class DiagnosticFilterError extends Error {}

/**
 * `target=level,target=level,level` (operations.md 1.7): what of the diagnostic log is shown. `kumod=level` is for
 * every target but lua, spool and policy, as in KumoMTA, unless the filter names the target itself; `kumod::NAME` is
 * NAME. A level without target is for the rest; without one that is `error`.
 */
export class DiagnosticFilter {
  readonly text: string;
  readonly #levels: ReadonlyMap<string, number>;
  readonly #fallback: number;
  /** What was looked up; there are few targets. */
  readonly #found = new Map<string, number>();

  private constructor(text: string, levels: ReadonlyMap<string, number>, fallback: number) {
    this.text = text;
    this.#levels = levels;
    this.#fallback = fallback;
  }

  /** Throws DiagnosticFilterError naming the part that is wrong. */
  static parse(text: string): DiagnosticFilter {
    const levels = new Map<string, number>();
    let fallback = ORDER.indexOf('error');
    for (const part of text.split(',').map((piece) => piece.trim())) {
      if (part === '') continue;
      const equals = part.indexOf('=');
      const level = ORDER.indexOf(
        part
          .slice(equals + 1)
          .trim()
          .toLowerCase(),
      );
      if (level === -1 || equals === 0) {
        throw new DiagnosticFilterError(
          `'${part}' is no diagnostic filter: use LEVEL or TARGET=LEVEL, with LEVEL of ${ORDER.join(', ')}`,
        );
      }
      if (equals === -1) fallback = level;
      else levels.set(normal(part.slice(0, equals).trim()), level);
    }
    return new DiagnosticFilter(text, levels, fallback);
  }

  shows(target: string, level: Level): boolean {
    let most = this.#found.get(target);
    if (most === undefined) {
      most =
        this.#levels.get(normal(target)) ?? this.#levels.get(GROUPS[target] ?? 'kumod') ?? this.#fallback;
      this.#found.set(target, most);
    }
    return ORDER.indexOf(level) <= most;
  }
}

/** KumoMTA writes `kumod::smtp_server`, and we have names with either dash. */
function normal(target: string): string {
  return target.replace(/^kumod::/, '').replaceAll('_', '-');
}
