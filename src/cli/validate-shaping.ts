import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../io/clock/index.ts';
import { ConfiguredResolvers, parseZone, TestResolver } from '../io/dns/index.ts';
import { readWholeFile } from '../io/files/index.ts';
import { nextTurn, readShapingFiles, remoteCopies } from '../io/shaping/index.ts';
import { parseDuration, type Resolver, resolveMx } from '../model/index.ts';
import {
  loadShaping,
  SHAPING_LEVELS,
  ShapingFile,
  type ShapingFinding,
  type ShapingLevel,
} from '../model/shaping/index.ts';
import { FINDING_FORMATS, type FindingFormat, formatFindings } from './finding-formats.ts';

interface ValidateShapingOptions {
  dnsFail: ShapingLevel;
  nullMx: ShapingLevel;
  aliasedSite: ShapingLevel;
  providerOverlap: ShapingLevel;
  localLoad: ShapingLevel;
  remoteLoad: ShapingLevel;
  skipRemote?: boolean;
  /** ms */
  httpTimeout?: number;
  format: FindingFormat;
  offline?: string[];
  sources?: string[];
}

/** `moonpost validate-shaping FILES...`, made for CI. Exit code 0: no errors; 1: errors; 2: bad usage. */
export function validateShapingCommand(): Command {
  const command = new Command('validate-shaping')
    .description('check shaping files: what is wrong, and where; 1 when there are errors')
    .argument('<files...>', 'TOML or JSON files, or URLs, in the order in which a policy loads them');
  for (const [flag, fallback, doc] of LEVELLED) {
    command.option(`--${flag} <level>`, `${doc}: Ignore, Warn or Error`, parseLevel, fallback);
  }
  return command
    .option('--skip-remote', 'fetch no URL; each is a warning')
    .option('--http-timeout <duration>', 'for each URL, such as 10s (default: 5s)', parseTimeout)
    .option('--format <format>', `how to tell: ${FINDING_FORMATS.join(', ')}`, parseFormat, 'text')
    .option('--offline <zonefile>', 'resolve from this zone file instead of DNS; may be repeated', gather)
    .option('--sources <file>', 'sources data, to find sources that are not defined; may be repeated', gather)
    .action(async (files: string[], options: ValidateShapingOptions) => {
      const findings = await findMistakes(files, options);
      const text = formatFindings(findings, options.format);
      // People and CI logs read standard error, programs standard output.
      (options.format === 'text' ? process.stderr : process.stdout).write(text);
      process.exitCode = findings.some(({ level }) => level === 'Error') ? 1 : 0;
    });
}

/** For one URL, ms. */
const HTTP_TIMEOUT = 5000;
/** For one look-up, ms. */
const MX_TIMEOUT = 5000;

const LEVELLED: readonly (readonly [flag: string, level: ShapingLevel, doc: string])[] = [
  ['dns-fail', 'Warn', 'a domain whose MX cannot be resolved'],
  ['null-mx', 'Warn', 'a domain that takes no mail'],
  ['aliased-site', 'Warn', 'blocks of several domains that have one site'],
  ['provider-overlap', 'Warn', 'a block of a domain that providers match too'],
  ['local-load', 'Error', 'a file that cannot be read'],
  ['remote-load', 'Warn', 'a URL that cannot be fetched'],
];

async function findMistakes(
  files: readonly string[],
  options: ValidateShapingOptions,
): Promise<ShapingFinding[]> {
  const { skipRemote = false, httpTimeout = HTTP_TIMEOUT } = options;
  const resolver = await resolverFor(options.offline);
  const inputs = await readShapingFiles(files, { skipRemote, httpTimeout }, remoteCopies());
  const levels = {
    dns_fail: options.dnsFail,
    null_mx: options.nullMx,
    aliased_site: options.aliasedSite,
    provider_overlap: options.providerOverlap,
    local_load: options.localLoad,
    remote_load: options.remoteLoad,
  };
  const { shaping, findings } = await loadShaping(inputs, levels, {
    resolveMx: (domain) => resolveMx(domain, resolver),
    now: () => systemClock.monotonic(),
    pause: nextTurn,
  });
  const known = await knownSources(options.sources);
  return known === undefined ? [...findings] : [...findings, ...shaping.deadSources(known)];
}

async function resolverFor(zones: readonly string[] | undefined): Promise<Resolver> {
  if (zones === undefined) {
    const timeout = { kind: 'dns.set_mx_timeout', options: MX_TIMEOUT, where: 'validate-shaping' };
    return new ConfiguredResolvers(systemClock, () => [timeout]).main;
  }
  const texts: string[] = [];
  for (const path of zones) {
    const text = (await readWholeFile(path)).toString();
    try {
      parseZone(text);
    } catch (error) {
      throw new Error(`${path}: ${(error as Error).message}`);
    }
    texts.push(text);
  }
  return new TestResolver(texts);
}

/** Names of the sources that these files define; undefined when there are none to read. */
async function knownSources(paths: readonly string[] | undefined): Promise<Set<string> | undefined> {
  if (paths === undefined) return undefined;
  const known = new Set(['unspecified']);
  for (const path of paths) {
    const { table, problem } = new ShapingFile(path, (await readWholeFile(path)).toString());
    if (problem !== undefined)
      throw new Error(`${path}:${problem.line}:${problem.column}: ${problem.reason}`);
    const { source } = table;
    if (typeof source === 'object' && source !== null)
      for (const name of Object.keys(source)) known.add(name);
  }
  return known;
}

function parseLevel(text: string): ShapingLevel {
  const level = SHAPING_LEVELS.find((name) => name.toLowerCase() === text.toLowerCase());
  if (level === undefined) throw new InvalidArgumentError(`Give one of ${SHAPING_LEVELS.join(', ')}.`);
  return level;
}

function parseTimeout(text: string): number {
  const timeout = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (timeout === undefined) throw new InvalidArgumentError('Give a duration such as 5s.');
  return timeout;
}

function parseFormat(text: string): FindingFormat {
  const format = FINDING_FORMATS.find((name) => name === text);
  if (format === undefined) throw new InvalidArgumentError(`Give one of ${FINDING_FORMATS.join(', ')}.`);
  return format;
}

function gather(text: string, before: string[] = []): string[] {
  return [...before, text];
}
