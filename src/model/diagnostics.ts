/** The diagnostic log for operators (operations.md 1.7). `target` names the part that speaks. */
export interface Diagnostics {
  error(target: string, text: string): void;
  warn(target: string, text: string): void;
  info(target: string, text: string): void;
  debug(target: string, text: string): void;
}
