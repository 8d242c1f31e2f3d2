import { formatOptions, type OptionsDeclaration, parseOptions } from './define/index.ts';
import type { Json } from './json.ts';

/** Where the value of an option was said. */
export interface OptionOrigin {
  /**
   * `file`, `default` (of the files), `provider`, `automation`, `helper`; `policy`: the handler itself; `built-in`:
   * nobody said anything.
   */
  readonly kind: string;
  readonly section?: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly provider?: string;
}

/** An entry of the answer of an explain_ event. */
export interface ExplainedSetting {
  readonly option: string;
  readonly value: unknown;
  readonly origin: OptionOrigin | string;
}

/** An option as it holds. Tables of limits and throttles are told by inner key: `additional_connection_limits.NAME`. */
export interface EffectiveOption {
  readonly option: string;
  /** As config objects give it. */
  readonly value: Json;
  readonly origin: OptionOrigin;
}

const BUILT_IN: OptionOrigin = { kind: 'built-in' };

const makers = new WeakMap<object, string>();

/** Notes where policy made a configuration; `place` is FILE:LINE. */
export function noteMaker(options: object, place: string): void {
  makers.set(options, place);
}

/** The line of policy that made the configuration, where one did. */
function policyOrigin(options: object): OptionOrigin {
  const [, file, line] = /^(.+):(\d+)$/s.exec(makers.get(options) ?? '') ?? [];
  return file === undefined ? { kind: 'policy' } : { kind: 'policy', file, line: Number(line) };
}

/** Every option that has a value, with where it comes from; `explained` is what the helpers say. */
export function effectiveOptions<T extends object>(
  declaration: OptionsDeclaration<T>,
  options: T,
  explained: readonly ExplainedSetting[],
): EffectiveOption[] {
  const values = formatOptions(declaration, options);
  const defaults = formatOptions(declaration, parseOptions(declaration, {}));
  const policy = policyOrigin(options);
  const said = new Map(explained.map((setting) => [setting.option, setting]));
  const result: EffectiveOption[] = [];
  for (const [name, { kind }] of Object.entries(declaration.fields)) {
    const value = values[name]!;
    if (value === null) continue;
    const isDefault = isSame(value, defaults[name]!);
    const table = kind.name.startsWith('map of ') ? Object.entries(value) : [];
    if (table.length === 0) {
      const written = said.get(name);
      const origin =
        originOf(written, (given) => formatted(declaration, name, given), value) ??
        (isDefault ? BUILT_IN : policy);
      result.push({ option: name, value, origin });
    }
    for (const [inner, one] of table as [string, Json][]) {
      const option = `${name}.${inner}`;
      const format = (given: unknown) =>
        (formatted(declaration, name, { [inner]: given }) as { [key: string]: Json })?.[inner];
      result.push({ option, value: one, origin: originOf(said.get(option), format, one) ?? policy });
    }
  }
  return result;
}

/** The entries of an answer of an explain_ event; what is no such entry is left out. */
export function explainedSettings(answer: unknown): ExplainedSetting[] {
  if (!Array.isArray(answer)) return [];
  return answer.filter(
    (entry): entry is ExplainedSetting => typeof (entry as ExplainedSetting)?.option === 'string',
  );
}

/** A value as policy writes it: limits as numbers, nothing for nil, and what is secret is not shown. */
export function shownOption(value: Json): Json {
  if (Array.isArray(value)) return value.map(shownOption);
  if (typeof value !== 'object' || value === null) return value;
  const { limit, force_local: local, ...rest } = value;
  if (typeof limit === 'number' && Object.keys(rest).length === 0)
    return local === true ? `local:${limit}` : limit;
  const entries = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(
    entries.map(([key, inner]) => [key, SECRET.test(key) ? '(not shown)' : shownOption(inner)]),
  );
}

const SECRET = /^(?:key_data|vault_token)$/;

function originOf(
  said: ExplainedSetting | undefined,
  format: (value: unknown) => Json | undefined,
  value: Json,
): OptionOrigin | undefined {
  // What the helper said may have been changed by the handler around it.
  if (said !== undefined && isSame(format(said.value), value)) {
    return typeof said.origin === 'string' ? { kind: 'helper', section: said.origin } : said.origin;
  }
  return undefined;
}

/** A value as policy would write it, in the form of config objects. */
function formatted<T>(declaration: OptionsDeclaration<T>, name: string, value: unknown): Json | undefined {
  const { kind } = declaration.fields[name]!;
  try {
    const parsed = kind.parse(value, name, true);
    return kind.format === undefined ? (parsed as Json) : kind.format(parsed);
  } catch {
    return undefined;
  }
}

function isSame(one: Json | undefined, other: Json | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** `FILE:LINE:COLUMN SECTION`, or what is known of it. */
export function formatOrigin({ kind, section, file, line, column, provider }: OptionOrigin): string {
  if (kind === 'built-in') return 'built-in default';
  if (kind === 'policy') return file === undefined ? 'the policy' : `${file}:${line}`;
  const place =
    file === undefined ? undefined : [file, line, column].filter((part) => part !== undefined).join(':');
  const of = { default: 'default', provider: `provider ${provider ?? ''}`.trim(), automation: 'automation' }[
    kind
  ];
  return [place, section, of === undefined ? undefined : `(${of})`]
    .filter((part) => part !== undefined)
    .join(' ');
}

/** A configuration in which what is secret is not shown. Nothing else is changed. */
export function withoutSecrets(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, inner]) => [key, SECRET.test(key) ? '(not shown)' : withoutSecrets(inner)]),
  );
}
