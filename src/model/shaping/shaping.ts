import { LRUCache } from 'lru-cache';
import { digest } from '../../protocol/digest/index.ts';
import type { MaybePromise } from '../json.ts';
import type { MxResolution } from '../mx-resolution.ts';
import type { AutomationRule } from './automation.ts';
import { type Definition, type Definitions, mergeSettings } from './definitions.ts';
import { Findings, formatFinding, type ShapingFinding } from './findings.ts';
import { type LogFacts, RuleMatcher } from './match-rules.ts';
import { type Origin, originOf } from './origin.ts';
import { asksForMx, isDomainName, matchesHosts, matchesName } from './provider-match.ts';
import { levelsOfRules } from './rules.ts';
import { adviceOn, type Setting, type Settings, sectionText, settingKey } from './settings.ts';
import type { ShapingFile } from './shaping-file.ts';

/** Options of a path as policy would give them to make_egress_path. */
export type PathParameters = Record<string, unknown>;

/** An option that shaping sets, and where that was said. */
export interface ExplainedOption {
  /** With the inner key after a dot for tables of limits and throttles. */
  readonly option: string;
  readonly value: unknown;
  readonly origin: Origin;
}

interface Surroundings {
  resolveMx(domain: string): Promise<MxResolution>;
  now(): number;
}

/** Providers of a domain, and until when (monotonic ms) that is known. */
interface KnownProviders {
  readonly providers: readonly Provider[];
  readonly until: number;
}

interface Provider {
  readonly name: string;
  readonly definition: Definition;
}

interface Resolved {
  readonly parameters: PathParameters;
  readonly until: number;
}

/** Resolving anew takes some 10 us, so that few are enough. */
const MOST_DOMAINS = 4096;
const MOST_PATHS = 4096;
/** ms until a domain whose MX was not to be had is asked for again. */
const RETRY = 5000;

/** A cache that is made when it is first used: it takes its memory, and some ms, for all its entries at once. */
function lateCache<V extends object>(max: number): () => LRUCache<string, V> {
  let cache: LRUCache<string, V> | undefined;
  return () => {
    cache ??= new LRUCache<string, V>({ max });
    return cache;
  };
}

/** What shaping files say, merged: what each path gets of it (helpers.md 4 and 5). May be memoized. */
export class Shaping {
  readonly keepable = true;
  readonly #definitions: Definitions;
  readonly #findings: readonly ShapingFinding[];
  readonly #world: Surroundings;
  readonly #providers: readonly Provider[];
  readonly #known = lateCache<KnownProviders>(MOST_DOMAINS);
  readonly #resolved = lateCache<Resolved>(MOST_PATHS);
  #matcher: RuleMatcher | undefined;
  #hash: string | undefined;

  constructor(definitions: Definitions, findings: readonly ShapingFinding[], world: Surroundings) {
    this.#definitions = definitions;
    this.#findings = findings;
    this.#world = world;
    this.#providers = [...definitions.providers]
      .map(([name, definition]) => ({ name, definition }))
      .filter(({ definition }) => definition.match.length > 0);
  }

  /** Waits only where the MX of the domain decides about a provider and is not known. The object is shared. */
  pathParameters(domain: string, source: string, site: string): MaybePromise<PathParameters> {
    const key = `${source}\0${site}\0${domain}`;
    const resolved = this.#resolved().get(key);
    if (resolved !== undefined && resolved.until > this.#world.now()) return resolved.parameters;
    const known = this.#providersOf(domain);
    if (known instanceof Promise)
      return known.then((found) => this.#resolve(key, found, domain, source, site));
    return this.#resolve(key, known, domain, source, site);
  }

  /** The same, with where each option comes from. Reads positions, which takes its time. */
  async explain(domain: string, source: string, site: string): Promise<ExplainedOption[]> {
    const { providers } = await this.#providersOf(domain);
    const settings = this.#settingsFor(providers, domain, source, site);
    return [...settings.values()].map((setting) => ({
      option: setting.inner === undefined ? setting.option : `${setting.option}.${setting.inner}`,
      value: setting.value,
      origin: originOf(setting),
    }));
  }

  /** Texts of the findings of that level. */
  texts(level: ShapingFinding['level']): string[] {
    return this.#findings.filter((finding) => finding.level === level).map(formatFinding);
  }

  /** Sources with options of their own, and the sites and domains that name them; those of providers are not told. */
  referencedSources(): Map<string, string[]> {
    const { base, sites, domains } = this.#definitions;
    const references = new Map<string, string[]>();
    const add = (label: string, { sources }: Definition): void => {
      for (const source of sources.keys()) {
        const known = references.get(source);
        if (known === undefined) references.set(source, [label]);
        else known.push(label);
      }
    };
    add('domain:default', base);
    for (const [site, definition] of sites) add(`site:${site}`, definition);
    for (const [domain, definition] of domains) add(`domain:${domain}`, definition);
    return references;
  }

  /** Tables of sources that are none of the known ones, as findings. Reads positions. */
  deadSources(known: ReadonlySet<string>): ShapingFinding[] {
    const { base, providers, sites, domains } = this.#definitions;
    const findings = new Findings(levelsOfRules({}));
    const files = new Set<ShapingFile>();
    for (const { sections, sources } of [
      base,
      ...providers.values(),
      ...sites.values(),
      ...domains.values(),
    ]) {
      for (const section of sections) files.add(section.file);
      for (const [source, settings] of sources) {
        if (known.has(source)) continue;
        const [setting] = settings.values();
        const section = setting?.section ?? sections[0]!;
        const text = `Source '${source}' is not present in your sources data. Referenced by ${sectionText(section)}${adviceOn(source, known)}`;
        findings.note('dead-source', { file: section.file, path: section.path }, text);
      }
    }
    return findings.located([...files]);
  }

  /** The automation rules that a log record meets, in the order of helpers.md 9. */
  async matchRules(facts: LogFacts): Promise<AutomationRule[]> {
    const { base, sites, domains, providers } = this.#definitions;
    this.#matcher ??= new RuleMatcher([base, ...providers.values(), ...sites.values(), ...domains.values()]);
    const matching = this.#matcher.matching(facts);
    if (matching === undefined) return [];
    const { domain, site } = facts;
    const known = await this.#providersOf(domain);
    const definitions = [
      base,
      ...known.providers.map(({ definition }) => definition),
      sites.get(site),
      domains.get(domain.toLowerCase()),
    ];
    return definitions.flatMap((definition) => definition?.automation.filter(matching) ?? []);
  }

  /** Hexadecimal; equal for files that say the same. */
  hash(): string {
    const { base, providers, sites, domains } = this.#definitions;
    const content = (definition: Definition) => [
      contentOf(definition.settings),
      [...definition.sources].map(([source, settings]) => [source, contentOf(settings)]),
      definition.automation.map(({ section, path, ...rule }) => rule),
      definition.match,
      definition.replacesBase,
    ];
    const all = (map: ReadonlyMap<string, Definition>) => [...map].map(([key, one]) => [key, content(one)]);
    const text = JSON.stringify([
      content(base),
      all(providers),
      all(sites),
      all(domains),
      this.#findings.map(({ rule, level, text }) => [rule, level, text]),
    ]);
    this.#hash ??= digest('sha256', [Buffer.from(text)]).bytes.toString('hex');
    return this.#hash;
  }

  #resolve(key: string, known: KnownProviders, domain: string, source: string, site: string): PathParameters {
    const parameters = parametersOf(this.#settingsFor(known.providers, domain, source, site));
    this.#resolved().set(key, { parameters, until: known.until });
    return parameters;
  }

  /** All that holds for the path; later layers win (helpers.md 4, Resolution). */
  #settingsFor(providers: readonly Provider[], domain: string, source: string, siteName: string): Settings {
    const { base, sites, domains } = this.#definitions;
    const site = sites.get(siteName);
    const own = domains.get(domain.toLowerCase());
    const settings: Settings = new Map();
    const bare = site?.replacesBase === true || own?.replacesBase === true;
    if (!bare) {
      mergeSettings(settings, base.settings);
      mergeSettings(settings, base.sources.get(source));
      for (const { definition } of providers) mergeSettings(settings, definition.settings);
      for (const { definition } of providers) mergeSettings(settings, definition.sources.get(source));
      implyProviders(settings, providers, source);
    }
    // What a domain replaces is that of its site too.
    const beneath = own?.replacesBase === true ? undefined : site;
    mergeSettings(settings, beneath?.settings);
    mergeSettings(settings, own?.settings);
    mergeSettings(settings, beneath?.sources.get(source));
    mergeSettings(settings, own?.sources.get(source));
    return settings;
  }

  #providersOf(domain: string): MaybePromise<KnownProviders> {
    const name = domain.toLowerCase().replace(/\.$/, '');
    const known = this.#known().get(name);
    if (known !== undefined && known.until > this.#world.now()) return known;
    if (!isDomainName(name)) return this.#know(name, [], Number.POSITIVE_INFINITY);
    const byName = new Set(this.#providers.filter(({ definition }) => matchesName(definition.match, name)));
    const undecided = this.#providers.filter((one) => !byName.has(one) && asksForMx(one.definition.match));
    const matching = (hosts: readonly string[]): Provider[] =>
      this.#providers.filter(
        (one) => byName.has(one) || (undecided.includes(one) && matchesHosts(one.definition.match, hosts)),
      );
    if (undecided.length === 0) return this.#know(name, [...byName], Number.POSITIVE_INFINITY);
    return this.#world.resolveMx(name).then(
      ({ groups, ttl }) =>
        this.#know(name, matching(groups.flatMap(({ hosts }) => hosts)), this.#world.now() + ttl),
      () => this.#know(name, matching([]), this.#world.now() + RETRY),
    );
  }

  #know(name: string, providers: readonly Provider[], until: number): KnownProviders {
    const known = { providers, until };
    this.#known().set(name, known);
    return known;
  }
}

const IMPLIED = [
  ['provider_connection_limit', 'additional_connection_limits', 'limit'],
  ['provider_max_message_rate', 'additional_message_rate_throttles', 'rate'],
  ['provider_source_selection_rate', 'additional_source_selection_rates', 'selection-rate'],
] as const;

/** The limits of a provider become limits that all its paths from the source share. */
function implyProviders(settings: Settings, providers: readonly Provider[], source: string): void {
  for (const [option] of IMPLIED) settings.delete(option);
  for (const { name, definition } of providers) {
    for (const [option, table, ending] of IMPLIED) {
      const setting = definition.sources.get(source)?.get(option) ?? definition.settings.get(option);
      if (setting === undefined) continue;
      const inner = `shaping-provider-${name}-${source}-${ending}`;
      settings.set(settingKey(table, inner), { ...setting, option: table, inner, said: option });
    }
    const section = definition.sections.at(-1)!;
    settings.set('provider_name', { option: 'provider_name', inner: undefined, value: name, section });
  }
}

function parametersOf(settings: Settings): PathParameters {
  const parameters: PathParameters = {};
  for (const { option, inner, value } of settings.values()) {
    if (inner === undefined) parameters[option] = value;
    else {
      const table = (parameters[option] ?? Object.create(null)) as Record<string, unknown>;
      table[inner] = value;
      parameters[option] = table;
    }
  }
  return parameters;
}

function contentOf(settings: ReadonlyMap<string, Setting>): [string, unknown][] {
  return [...settings].map(([key, { value }]) => [key, value]);
}
