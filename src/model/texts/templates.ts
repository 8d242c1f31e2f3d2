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
    throw new Error(errorText(error));
  }
}

/** Throws what is wrong with the syntax of a Jinja template. */
export function checkJinja(source: string): void {
  keptName(source);
}

/** As renderTemplate, for one that is used again and again: it is compiled once. Takes half as long. */
export function renderKeptJinja(source: string, context: Json, now: number): string {
  const name = keptName(source);
  presentTime = now;
  try {
    return environment!.renderTemplate(name, context);
  } catch (error) {
    throw new Error(errorText(error));
  }
}

/** Names in the environment by source. */
const kept = new LRUCache<string, string>({
  max: 128,
  dispose: (name) => environment!.removeTemplate(name),
});
let keptCount = 0;

function keptName(source: string): string {
  let name = kept.get(source);
  if (name === undefined) {
    environment ??= jinjaEnvironment();
    name = `template ${keptCount++}`;
    try {
      environment.addTemplate(name, source);
    } catch (error) {
      throw new Error(errorText(error));
    }
    kept.set(source, name);
  }
  return name;
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
