/** Where the lines of one file of a logger go. */
export interface LineWriter {
  /** Takes newline-terminated text. Resolves at once, or when there is room again. */
  append(lines: string): Promise<void>;
  /** Writes out what waits and gives back what memory the file takes; the next line begins another, where there are several. */
  finishSegment(): Promise<void>;
  /** Writes out what waits and ends. Rejects when some of it could not be written. */
  close(): Promise<void>;
}
