import { type EffectiveOption, formatOrigin, type Json, shownOption } from '../model/index.ts';
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
  return `${keyText(option)} = ${formatTomlValue(shownOption(value))}`;
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
    value: shownOption(value),
    origin: { ...origin } as unknown as Json,
  }));
}

/** A key within a table of limits or throttles may have dots of its own. */
function keyText(option: string): string {
  const [name, ...inner] = option.split('.');
  return inner.length === 0 ? name! : `${name}.${JSON.stringify(inner.join('.'))}`;
}
