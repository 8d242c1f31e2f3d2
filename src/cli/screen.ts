/** What a screen is drawn on: a terminal, or what stands for one. */
export interface Terminal {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

// The second screen of the terminal, no cursor, no wrapping of what is too wide; and back.
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
// Terminals that know it show what is between at once; others ignore it.
const BEGIN = '\x1b[?2026h';
const END = '\x1b[?2026l';

/**
 * The whole terminal, one frame after the other. closed → open → closed. Between open and close the terminal is ours;
 * `close` gives it back as it was, and may be called again.
 */
export class Screen {
  readonly #terminal: Terminal;
  #shown = '';
  #isOpen = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** As many as a terminal that does not say it has. */
  get columns(): number {
    return this.#terminal.columns || 80;
  }

  get rows(): number {
    return this.#terminal.rows || 24;
  }

  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#terminal.write(ENTER);
  }

  /** Shows these lines. Each is written over what stands there, so that nothing flickers, and nothing if all is as it was. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    const rows = this.rows;
    const frame = lines.slice(0, rows).map((line, index) => `\x1b[${index + 1};1H${line}\x1b[0m\x1b[K`);
    // What is below the last line, unless that is the last of the screen.
    const rest = frame.length < rows ? `\x1b[${frame.length + 1};1H\x1b[J` : '';
    const text = `${BEGIN}${frame.join('')}${rest}${END}`;
    if (text === this.#shown) return;
    this.#shown = text;
    this.#terminal.write(text);
  }

  /** The next frame is drawn whatever it is: the size of the terminal has changed. */
  forget(): void {
    this.#shown = '';
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#terminal.write(LEAVE);
  }
}
