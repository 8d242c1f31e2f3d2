import type { JsonObject } from './json.ts';

/** What `maildir_path` may name in double braces; `meta` by its keys, `{{ meta.key }}` (delivery.md 4). */
export interface MaildirVariables {
  meta: JsonObject;
  queue: string;
  campaign: string | undefined;
  tenant: string | undefined;
  domain: string;
  routing_domain: string | undefined;
  /** Of the recipient. */
  local_part: string;
  domain_part: string;
  email: string;
  sender_local_part: string;
  sender_domain_part: string;
  sender_email: string;
}

/** The template, or what it makes of this message, cannot be a path. */
export class MaildirPathError extends Error {}

const VARIABLE = /^\s*([a-z_]+)(?:\.([A-Za-z0-9_-]+))?\s*$/;

/**
 * The path of the maildir for one recipient. Only plain `{{ name }}` and `{{ meta.key }}` are known. Throws
 * MaildirPathError when a variable is unknown or has no value, or when what a message brought along could
 * lead anywhere else than into the directory that the template names.
 */
export function expandMaildirPath(template: string, variables: MaildirVariables): string {
  if (template.includes('{%') || template.includes('{#')) {
    throw new MaildirPathError(`maildir_path: only {{ name }} is understood, not ${template}`);
  }
  if (/\{\{|\}\}/.test(template.replace(/\{\{.*?\}\}/gs, ''))) {
    throw new MaildirPathError(`maildir_path: unbalanced braces in ${template}`);
  }
  const parts = template.split('/').map((part) => {
    const expanded = part.replace(/\{\{(.*?)\}\}/gs, (_, name: string) => valueOfVariable(name, variables));
    // The operator may write a relative path. A message may not, nor two of its values side by side.
    if (expanded !== part && (expanded === '.' || expanded === '..')) {
      throw new MaildirPathError(`maildir_path: ${part} becomes ${expanded}, which is a relative part`);
    }
    return expanded;
  });
  return parts.join('/');
}

function valueOfVariable(expression: string, variables: MaildirVariables): string {
  const match = VARIABLE.exec(expression);
  const name = match?.[1];
  const key = match?.[2];
  if (name === undefined || !Object.hasOwn(variables, name) || (name === 'meta') !== (key !== undefined)) {
    throw new MaildirPathError(`maildir_path: {{${expression}}} is not understood`);
  }
  const value =
    key === undefined
      ? variables[name as keyof MaildirVariables]
      : Object.hasOwn(variables.meta, key)
        ? variables.meta[key]
        : undefined;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'string' || value === '') {
    throw new MaildirPathError(`maildir_path: this message has no ${expression.trim()}`);
  }
  if (/[/\x00-\x1f\x7f]|\.\./.test(value)) {
    throw new MaildirPathError(
      `maildir_path: ${expression.trim()} is ${JSON.stringify(value)}, which cannot stand in a path`,
    );
  }
  return value;
}
