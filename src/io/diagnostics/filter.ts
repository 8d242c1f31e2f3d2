export type Level = 'error' | 'warn' | 'info' | 'debug';

const ORDER = ['off', 'error', 'warn', 'info', 'debug', 'trace'];

export class DiagnosticFilterError extends Error {}

/** `target=level,target=level,level` (operations.md 1.7): what of the diagnostic log is shown. */
export class DiagnosticFilter {
  readonly #levels: ReadonlyMap<string, number>;
  readonly #fallback: number;

  private constructor(levels: ReadonlyMap<string, number>, fallback: number) {
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
      const level = ORDER.indexOf(part.slice(equals + 1).toLowerCase());
      if (level === -1) {
        throw new DiagnosticFilterError(
          `'${part}' is no diagnostic filter: use LEVEL or TARGET=LEVEL, with LEVEL of ${ORDER.join(', ')}`,
        );
      }
      if (equals === -1) fallback = level;
      else levels.set(part.slice(0, equals), level);
    }
    return new DiagnosticFilter(levels, fallback);
  }

  shows(target: string, level: Level): boolean {
    return ORDER.indexOf(level) <= (this.#levels.get(target) ?? this.#fallback);
  }
}
