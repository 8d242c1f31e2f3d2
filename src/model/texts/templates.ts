import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { LRUCache } from 'lru-cache';
import type * as Jinja from 'minijinja-js';
import type { Json } from '../json.ts';
import { normalizeSmtpResponse } from './smtp-response.ts';

export type TemplateDialect = 'Jinja' | 'Handlebars' | 'Static';

/** Steps that one template may take: about 10 ms, so that a loop in it cannot stall the server. */
const FUEL = 200_000;

// Loaded when first used: most policies have no templates.
const require = createRequire(import.meta.url);
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
      return compiledHandlebars(source)(context);
    case 'Jinja':
      return renderJinja(name, source, context, now);
  }
}

/** Compiling takes many times as long as rendering. */
const compiled = new LRUCache<string, HandlebarsTemplateDelegate>({ max: 128 });

function compiledHandlebars(source: string): HandlebarsTemplateDelegate {
  let template = compiled.get(source);
  if (template === undefined) {
    handlebars ??= require('handlebars') as typeof import('handlebars');
    template = handlebars.compile(source);
    compiled.set(source, template);
  }
  return template;
}

function renderJinja(name: string, source: string, context: Json, now: number): string {
  environment ??= jinjaEnvironment();
  presentTime = now;
  try {
    return environment.renderNamedStr(name, source, context);
  } catch (error) {
    throw jinjaError(error);
  }
}

/** What values are escaped for where a template puts them. */
export type Escaping = 'none' | 'html';

/** Throws what is wrong with the syntax of a Jinja template. */
export function checkJinja(source: string, escaping: Escaping = 'none'): void {
  keptName(source, escaping);
}

/** As renderTemplate, for one that is used again and again: it is compiled once. Takes half as long. */
export function renderKeptJinja(
  source: string,
  context: Json,
  now: number,
  escaping: Escaping = 'none',
): string {
  const name = keptName(source, escaping);
  presentTime = now;
  try {
    return environment!.renderTemplate(name, context);
  } catch (error) {
    throw jinjaError(error);
  }
}

const keptNames = (): LRUCache<string, string> =>
  new LRUCache({ max: 128, dispose: (name) => environment?.removeTemplate(name) });

/** Names in the environment by source. */
const kept: Record<Escaping, LRUCache<string, string>> = { none: keptNames(), html: keptNames() };

function keptName(source: string, escaping: Escaping): string {
  let name = kept[escaping].get(source);
  if (name === undefined) {
    environment ??= jinjaEnvironment();
    // Templates can include what they can name; nobody can guess the template of somebody else.
    name = `${randomBytes(12).toString('hex')}.${escaping === 'html' ? 'html' : 'txt'}`;
    try {
      environment.addTemplate(name, source);
    } catch (error) {
      throw jinjaError(error);
    }
    kept[escaping].set(source, name);
  }
  return name;
}

/** A template that broke the engine leaves it of no use; the next one has a new one. */
function jinjaError(error: unknown): Error {
  if ((error as Error).name === 'RuntimeError' || error instanceof RangeError) {
    environment = undefined;
    for (const names of Object.values(kept)) names.clear();
    return new Error('the template needs more memory than templates may have');
  }
  return new Error(errorText(error));
}

/**
 * Loads the engine if one of these texts of a policy mentions templates: it takes 30 ms, which no handler should. Until
 * then it is not loaded.
 */
export function prepareTemplates(texts: Iterable<Uint8Array>): void {
  for (const text of texts) {
    if (!Buffer.from(text.buffer, text.byteOffset, text.length).includes('template')) continue;
    environment ??= jinjaEnvironment();
    environment.renderStr('{{ 1 }}', {});
    return;
  }
}

let environment: Jinja.Environment | undefined;
/** What the function now() of templates says, while one is rendered. Milliseconds. */
let presentTime = 0;

/** One for all templates: making it costs several times what rendering does. Templates leave nothing in it. */
function jinjaEnvironment(): Jinja.Environment {
  const { Environment } = require('minijinja-js') as typeof Jinja;
  const made = new Environment();
  made.enablePyCompat();
  made.fuel = FUEL;
  made.addFilter('normalize_smtp_response', (text: unknown) => normalizeSmtpResponse(String(text)));
  made.addFilter('wordcount', (text: unknown) => String(text).match(/\S+/g)?.length ?? 0);
  made.addGlobal('now', () => presentTime / 1000);
  for (const [filter, style] of Object.entries(DATE_STYLES)) {
    made.addFilter(filter, (at: unknown) => dateText(at, style));
  }
  return made;
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
