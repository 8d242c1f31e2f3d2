/** Characters that would move the cursor, or worse, when what a stranger named a queue reaches a terminal. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text of others, as it can be shown in one line. */
export function plain(text: string): string {
  return text.replace(CONTROLS, '?');
}

/** Writes a line to stdout. A reader that has gone, as of `… | head`, is the end and no error. */
export function print(text: string): void {
  if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => process.exit());
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Pretty JSON, two spaces. What could steer a terminal is escaped. */
export function printJson(value: unknown): void {
  print(formatJson(value));
}

function formatJson(value: unknown): string {
  return plainJson(JSON.stringify(value, null, 2));
}

/** The text of JSON, with what could steer a terminal as escapes. */
export function plainJson(text: string): string {
  return text.replace(CONTROLS, (found) =>
    found === '\n' ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Remarks that are not the answer: stderr. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
