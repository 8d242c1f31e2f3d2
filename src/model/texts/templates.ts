import { createRequire } from 'node:module';
import type * as Jinja from 'minijinja-js';
import type { Json } from '../json.ts';
import { normalizeSmtpResponse } from './smtp-response.ts';

export type TemplateDialect = 'Jinja' | 'Handlebars' | 'Static';

/** Steps that one template may take; a loop in it cannot stall the server. */
const FUEL = 2_000_000;

// Loaded when first used: most policies have no templates.
const require = createRequire(import.meta.url);
let jinja: typeof Jinja | undefined;
let handlebars: typeof import('handlebars') | undefined;

export interface Template {
  /** Its ending decides on escaping: `.html`, `.json`. */
  readonly name: string;
  readonly source: string;
  readonly dialect: TemplateDialect;
}

/** The text of a template with the values of `context`. `now`: milliseconds since 1970. Throws what is wrong with it. */
export function renderTemplate({ name, source, dialect }: Template, context: Json, now: number): string {
  switch (dialect) {
    case 'Static':
      return source;
    case 'Handlebars':
      handlebars ??= require('handlebars') as typeof import('handlebars');
      return handlebars.compile(source, { knownHelpersOnly: false })(context);
    case 'Jinja':
      return renderJinja(name, source, context, now);
  }
}

function renderJinja(name: string, source: string, context: Json, now: number): string {
  jinja ??= require('minijinja-js') as typeof Jinja;
  const environment = new jinja.Environment();
  try {
    environment.enablePyCompat();
    environment.fuel = FUEL;
    environment.addFilter('normalize_smtp_response', (text: unknown) => normalizeSmtpResponse(String(text)));
    if (/\bnow\b/.test(source)) environment.addGlobal('now', () => now / 1000);
    for (const [filter, style] of Object.entries(DATE_STYLES)) {
      if (source.includes(filter)) environment.addFilter(filter, (at: unknown) => dateText(at, style));
    }
    return environment.renderNamedStr(name, source, context);
  } catch (error) {
    throw new Error(errorText(error));
  } finally {
    environment.free();
  }
}

const DATE_STYLES = {
  dateformat: { date: true, time: false },
  timeformat: { date: false, time: true },
  datetimeformat: { date: true, time: true },
};

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Seconds since 1970, or a date text, in the medium style, in UTC. */
function dateText(at: unknown, { date, time }: { date: boolean; time: boolean }): string {
  const given = new Date(typeof at === 'number' ? at * 1000 : String(at));
  if (Number.isNaN(given.getTime())) throw new Error(`'${String(at)}' is no time`);
  const [hours, minutes] = [given.getUTCHours(), given.getUTCMinutes()].map((n) =>
    String(n).padStart(2, '0'),
  );
  const parts: string[] = [];
  if (date) parts.push(`${MONTHS[given.getUTCMonth()]} ${given.getUTCDate()} ${given.getUTCFullYear()}`);
  if (time) parts.push(`${hours}:${minutes}`);
  return parts.join(' ');
}

/** The first line says it all; the rest is a picture of the source. */
function errorText(error: unknown): string {
  return String((error as Error).message ?? error).split('\n')[0]!;
}
