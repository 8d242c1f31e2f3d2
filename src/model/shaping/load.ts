import type { MxResolution } from '../mx-resolution.ts';
import { type Block, readBlocks } from './blocks.ts';
import { Definition } from './definitions.ts';
import { Findings, type Place, type ShapingFinding } from './findings.ts';
import { asksForMx, matchesHosts, matchesName } from './provider-match.ts';
import { type LevelOption, levelsOfRules, type ShapingLevel, type ShapingRuleName } from './rules.ts';
import type { Section } from './settings.ts';
import { Shaping } from './shaping.ts';
import type { ShapingFile } from './shaping-file.ts';
import { lookUpSites, type Site } from './site-look-up.ts';

/** A shaping file as it was read. Both are there when an older copy stands in for what could not be read. */
export interface ShapingInput {
  readonly file: ShapingFile;
  /** Why it could not be read. */
  readonly failure?: { readonly rule: ShapingRuleName; readonly text: string };
}

/** What loading needs of the world. */
export interface ShapingSurroundings {
  /** Rejects for a domain whose MX is not known. */
  resolveMx(domain: string): Promise<MxResolution>;
  /** Monotonic, ms. */
  now(): number;
  /** Resolves after a turn of the event loop. */
  pause(): Promise<void>;
}

export type ShapingLevels = Partial<Record<LevelOption, ShapingLevel>>;

export interface LoadedShaping {
  readonly shaping: Shaping;
  readonly findings: readonly ShapingFinding[];
}

/** Blocks that are read between two turns of the event loop: some 5 ms. */
const AT_ONCE = 200;

/**
 * Reads, checks and merges shaping files in their order (helpers.md 4). Mistakes do not end it: whoever calls looks
 * at the findings, of which those that raise leave out what they are about.
 */
export async function loadShaping(
  inputs: readonly ShapingInput[],
  levels: ShapingLevels,
  world: ShapingSurroundings,
): Promise<LoadedShaping> {
  const findings = new Findings(levelsOfRules(levels));
  const blocks: Block[] = [];
  for (const input of inputs) {
    await world.pause();
    noteFailures(input, findings);
    for (const block of readBlocks(input.file, findings)) {
      blocks.push(block);
      if (blocks.length % AT_ONCE === 0) await world.pause();
    }
  }
  const sites = await sitesOf(blocks, world);
  const definitions = merge(blocks, sites, findings);
  noteOverlaps(blocks, sites, definitions.providers, findings);
  const files = inputs.map(({ file }) => file);
  const found = findings.located(files);
  return { shaping: new Shaping(definitions, found, world), findings: found };
}

function noteFailures({ file, failure }: ShapingInput, findings: Findings): void {
  const place = { file, line: 1, column: 1 };
  if (failure !== undefined) findings.note(failure.rule, place, failure.text);
  const { problem } = file;
  if (problem === undefined) return;
  const { line, column, reason, picture, guessed } = problem;
  const like = file.isRemote ? 'unreachable-url' : 'unreadable-file';
  findings.note('syntax', { file, line, column }, reason, { picture, ...(guessed && { like }) });
}

function placeOfSection({ file, path }: Section): Place {
  return { file, path };
}

async function sitesOf(blocks: readonly Block[], world: ShapingSurroundings): Promise<Map<string, Site>> {
  const domains = new Set<string>();
  for (const { section, mxRollup } of blocks) if (mxRollup) domains.add(section.name);
  return lookUpSites([...domains], (domain) => world.resolveMx(domain), world.pause);
}

function merge(blocks: readonly Block[], sites: ReadonlyMap<string, Site>, findings: Findings) {
  const base = new Definition();
  const providers = new Map<string, Definition>();
  const bySite = new Map<string, Definition>();
  const byDomain = new Map<string, Definition>();
  const into = (map: Map<string, Definition>, key: string): Definition => {
    let definition = map.get(key);
    if (definition === undefined) {
      definition = new Definition();
      map.set(key, definition);
    }
    return definition;
  };
  for (const block of blocks) {
    const { kind, name } = block.section;
    if (kind === 'default') base.merge(block, findings);
    else if (kind === 'provider') into(providers, name).merge(block, findings);
    else if (!block.mxRollup) into(byDomain, name.toLowerCase()).merge(block, findings);
    else {
      const site = siteFor(block, sites, findings);
      if (site !== undefined) into(bySite, site).merge(block, findings);
    }
  }
  for (const [name, { match, sections }] of providers) {
    if (match.length > 0) continue;
    findings.note(
      'provider-without-match',
      placeOfSection(sections.at(-1)!),
      `provider '${name}' has no rules in match`,
    );
  }
  noteAliases(bySite, findings);
  return { base, providers, sites: bySite, domains: byDomain };
}

/** The site of a block with mx_rollup; undefined when there is none, so that the block is left out. */
function siteFor(
  { section }: Block,
  sites: ReadonlyMap<string, Site>,
  findings: Findings,
): string | undefined {
  const { name } = section;
  const place = placeOfSection(section);
  if (!name.includes('.')) {
    findings.note(
      'single-label',
      place,
      `Entry for domain '${name}' consists of a single DNS label. Domain names in TOML sections need to be quoted; a name that is no domain needs mx_rollup = false`,
    );
  }
  const site = sites.get(name)!;
  if ('error' in site) {
    const text = `error resolving MX for ${name}: ${site.error}. Ignoring the shaping config for that domain.`;
    findings.note('dns-failure', place, text);
    return undefined;
  }
  if (site.mx.isNullMx) {
    const text = `domain ${name} has a NULL MX and cannot be used with mx_rollup=true. Ignoring the shaping config for that domain.`;
    findings.note('null-mx', place, text);
    return undefined;
  }
  return site.mx.siteName;
}

function noteAliases(sites: ReadonlyMap<string, Definition>, findings: Findings): void {
  for (const [site, { sections }] of sites) {
    const first = sections[0]!;
    const names = new Set(sections.map(({ name }) => name));
    const other = sections.findLast(({ name }) => name !== first.name);
    if (other === undefined) continue;
    const text = `multiple domain blocks alias to the same site: ${site}: ${[...names].join(', ')}`;
    findings.note('aliased-site', placeOfSection(other), text, { beside: placeOfSection(first) });
  }
}

function noteOverlaps(
  blocks: readonly Block[],
  sites: ReadonlyMap<string, Site>,
  providers: ReadonlyMap<string, Definition>,
  findings: Findings,
): void {
  if (!findings.wants('provider-overlap')) return;
  const told = new Set<string>();
  for (const { section, mxRollup } of blocks) {
    const site = sites.get(section.name);
    if (!mxRollup || site === undefined || told.has(section.name)) continue;
    const hosts = 'mx' in site ? site.mx.groups.flatMap((group) => group.hosts) : [];
    const names = [...providers]
      .filter(
        ([, { match }]) =>
          matchesName(match, section.name.toLowerCase()) || (asksForMx(match) && matchesHosts(match, hosts)),
      )
      .map(([name]) => name);
    if (names.length === 0) continue;
    told.add(section.name);
    const text = `domain ${section.name} is also matched by provider(s): ${names.join(', ')}`;
    findings.note('provider-overlap', placeOfSection(section), text);
  }
}
