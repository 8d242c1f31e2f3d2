import { parseDate } from '../mime/index.ts';

/** A report that is not as its RFC wants it. */
export class ReportError extends Error {}

/** More fields, or groups of fields, than this are refused. */
const MOST_FIELDS = 10_000;

/** The fields of a report as lower-case names with their values, taken out one by one; the rest are extensions. */
export class ReportFields {
  readonly #fields = new Map<string, string[]>();

  add(name: string, value: string): void {
    const values = this.#fields.get(name);
    if (values === undefined) this.#fields.set(name, [value]);
    else values.push(value);
  }

  get isEmpty(): boolean {
    return this.#fields.size === 0;
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  /** All values of the field. */
  takeAll(name: string): string[] {
    const values = this.#fields.get(name) ?? [];
    this.#fields.delete(name);
    return values;
  }

  /** The value of a field that may stand once; null when it is absent. */
  take(name: string): string | null {
    const values = this.takeAll(name);
    if (values.length > 1) throw new ReportError(`the field ${name} stands ${values.length} times`);
    return values[0] ?? null;
  }

  require(name: string): string {
    return this.take(name) ?? missing(name);
  }

  /** As RFC 3339 text; null when it is absent. */
  takeDate(name: string): string | null {
    const text = this.take(name);
    if (text === null) return null;
    const time = parseDate(text);
    if (time === undefined || Number.isNaN(time)) throw new ReportError(`${name}: '${text}' is no date`);
    return new Date(time).toISOString().replace('.000Z', 'Z');
  }

  /** What has not been taken. */
  get extensions(): Map<string, string[]> {
    return this.#fields;
  }
}

function missing(name: string): never {
  throw new ReportError(`the field ${name} is missing`);
}

/** `type; value`, such as `rfc822; a@example.org` (RFC 3464 §2.1.2). */
export function typedValue(name: string, text: string): [type: string, value: string] {
  const at = text.indexOf(';');
  if (at < 0) throw new ReportError(`${name}: '${text}' has no type before a semicolon`);
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

/** Groups of `Name: value` lines, folded as headers, with blank lines between the groups. Throws ReportError. */
export function parseReportFields(text: string): ReportFields[] {
  const groups: ReportFields[] = [];
  let group = new ReportFields();
  let count = 0;
  const unfolded = text.replace(/\r?\n[ \t]+(?=[^ \t\r\n])/g, ' ');
  for (const line of unfolded.split(/\r?\n/)) {
    if (line.trim() === '') {
      if (!group.isEmpty) groups.push(group);
      group = new ReportFields();
      continue;
    }
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).trim().toLowerCase();
    if (!/^[!-9;-~]+$/.test(name)) throw new ReportError(`'${line.slice(0, 40)}' is no field of a report`);
    group.add(name, line.slice(colon + 1).trim());
    if (++count > MOST_FIELDS) throw new ReportError(`more than ${MOST_FIELDS} fields`);
  }
  if (!group.isEmpty) groups.push(group);
  return groups;
}
