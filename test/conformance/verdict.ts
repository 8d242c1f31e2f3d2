/** How one case of a suite went. */
export interface Verdict {
  readonly name: string;
  /** What was wrong; undefined when all was right. */
  readonly problem: string | undefined;
}
