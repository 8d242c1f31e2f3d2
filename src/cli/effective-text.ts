import { type EffectiveOption, formatOrigin, type Json } from '../model/index.ts';
import { formatTomlValue } from '../model/texts/index.ts';

/** Wider values put their origin on the line before. */
const WIDEST = 48;

/** TOML with the origin of each value in a comment; what nobody said anything about comes last. */
export function formatEffective(title: string, options: readonly EffectiveOption[]): string {
  const isBuiltIn = ({ origin }: EffectiveOption): boolean => origin.kind === 'built-in';
  const said = options.filter((option) => !isBuiltIn(option));
  const unsaid = options.filter(isBuiltIn).map((option) => `${assignment(option)}\n`);
  return `# ${title}\n${withOrigins(said)}${unsaid.length === 0 ? '' : `# built-in defaults:\n${unsaid.join('')}`}`;
}

function assignment({ option, value }: EffectiveOption): string {
  return `${keyText(option)} = ${formatTomlValue(shown(value))}`;
}

function withOrigins(options: readonly EffectiveOption[]): string {
  const lines = options.map((option) => ({ text: assignment(option), origin: formatOrigin(option.origin) }));
  const width = Math.max(0, ...lines.map(({ text }) => text.length).filter((length) => length <= WIDEST));
  return lines
    .map(({ text, origin }) =>
      text.length > WIDEST ? `# ${origin}\n${text}\n` : `${text.padEnd(width)}  # ${origin}\n`,
    )
    .join('');
}

/** The same as JSON. */
export function shownJson(options: readonly EffectiveOption[]): Json {
  return options.map(({ option, value, origin }) => ({
    option,
    value: shown(value),
    origin: { ...origin } as unknown as Json,
  }));
}

/** A key within a table of limits or throttles may have dots of its own. */
function keyText(option: string): string {
  const [name, ...inner] = option.split('.');
  return inner.length === 0 ? name! : `${name}.${JSON.stringify(inner.join('.'))}`;
}

/** Limits as policy writes them; what is secret is not shown; TOML has no nil. */
function shown(value: Json): Json {
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== 'object' || value === null) return value;
  const { limit, force_local: local, ...rest } = value;
  if (typeof limit === 'number' && Object.keys(rest).length === 0)
    return local === true ? `local:${limit}` : limit;
  const entries = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(
    entries.map(([key, inner]) => [key, SECRET.test(key) ? '(not shown)' : shown(inner)]),
  );
}

const SECRET = /^(?:key_data|vault_token)$/;
