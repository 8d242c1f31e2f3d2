import { createRequire } from 'node:module';
import { LRUCache } from 'lru-cache';
import type { JsonObject } from '../json.ts';
import { checkJinja, type Escaping, renderKeptJinja, type TemplateDialect } from './templates.ts';

/** A text that is no template, or that cannot be made of these values. The text names template and line. */
export class TemplateError extends Error {}

/** A text of a message that is to be made for each recipient. */
export interface FieldTemplate {
  /** What it says whatever the values are; undefined when it depends on them. */
  readonly fixed: string | undefined;
  /** `now`: ms since the epoch, for the function now(). Throws TemplateError. */
  render(values: JsonObject, now: number): string;
}

export interface FieldSource {
  /** What errors call it, such as `text_body.txt`. */
  readonly name: string;
  readonly source: string;
  readonly dialect: TemplateDialect;
  /** What values are escaped for. */
  readonly escaping: Escaping;
}

/** Checks the syntax. Throws TemplateError. */
export function fieldTemplate(field: FieldSource): FieldTemplate {
  const { source, dialect } = field;
  switch (dialect) {
    case 'Static':
      return fixedText(source);
    case 'Handlebars':
      return source.includes('{{') ? handlebarsField(field) : fixedText(source);
    case 'Jinja':
      // As the engine has it: one line end at the end goes.
      return hasJinja(source) ? jinjaField(field) : fixedText(withoutLineEnd(source));
  }
}

/** A search for single characters is many times as fast as one by a pattern. */
function hasJinja(source: string): boolean {
  for (let at = source.indexOf('{'); at >= 0; at = source.indexOf('{', at + 1)) {
    if ('{%#'.includes(source[at + 1] ?? ' ')) return true;
  }
  return false;
}

function withoutLineEnd(text: string): string {
  if (!text.endsWith('\n')) return text;
  return text.slice(0, text.endsWith('\r\n') ? -2 : -1);
}

function fixedText(text: string): FieldTemplate {
  return { fixed: text, render: () => text };
}

function jinjaField(field: FieldSource): FieldTemplate {
  const { source, escaping } = field;
  const named = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new TemplateError(jinjaText(error as Error, field));
    }
  };
  named(() => checkJinja(source, escaping));
  return {
    fixed: undefined,
    render: (values, now) => named(() => renderKeptJinja(source, values, now, escaping)),
  };
}

/** The engine knows the template by a name of its own, and says no more than the line. */
function jinjaText({ message }: Error, field: FieldSource): string {
  const [, detail, line] = /^(.*) \(in [^()]*:(\d+)\)$/s.exec(message) ?? [];
  return detail === undefined ? `${message} (in template '${field.name}')` : at(detail, field, Number(line));
}

// Loaded when first used: most servers never have such templates.
const require = createRequire(import.meta.url);
let handlebars: typeof import('handlebars') | undefined;

const compiled: Record<Escaping, LRUCache<string, HandlebarsTemplateDelegate>> = {
  none: new LRUCache({ max: 128 }),
  html: new LRUCache({ max: 128 }),
};

function handlebarsField(field: FieldSource): FieldTemplate {
  const { source, escaping } = field;
  let template = compiled[escaping].get(source);
  if (template === undefined) {
    handlebars ??= require('handlebars') as typeof import('handlebars');
    try {
      // Compiling is put off until the first use, and errors with it.
      handlebars.parse(source);
    } catch (error) {
      throw new TemplateError(handlebarsText(error as Error & { lineNumber?: number }, field));
    }
    // Parent scopes are searched (operations.md 4.3).
    template = handlebars.compile(source, { compat: true, noEscape: escaping === 'none' });
    compiled[escaping].set(source, template);
  }
  const render = template;
  return {
    fixed: undefined,
    render: (values) => {
      try {
        return render(values);
      } catch (error) {
        throw new TemplateError(handlebarsText(error as Error & { lineNumber?: number }, field));
      }
    },
  };
}

/** The parser shows the place as a picture of several lines; its last line says what was expected. */
function handlebarsText(error: Error & { lineNumber?: number }, field: FieldSource): string {
  const lines = error.message.split('\n');
  const line = error.lineNumber ?? /on line (\d+)/.exec(lines[0]!)?.[1];
  const text = lines.length > 1 ? `syntax error: ${lines.at(-1)}` : lines[0]!;
  return line === undefined ? `${text} (in template '${field.name}')` : at(text, field, Number(line));
}

/** Characters of a source line that errors show. */
const LONGEST_SHOWN = 120;

function at(detail: string, { name, source }: FieldSource, line: number): string {
  const shown = (source.split('\n', line)[line - 1] ?? '').trimEnd().slice(0, LONGEST_SHOWN);
  return `${detail} (in template '${name}' line ${line}: '${shown}')`;
}
