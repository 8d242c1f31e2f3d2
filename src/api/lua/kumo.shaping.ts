import { helpersDirectory } from '../../io/files/index.ts';
import { nextTurn, readShapingFiles, remoteCopies } from '../../io/shaping/index.ts';
import { sharedFile } from '../../lua/index.ts';
import {
  anyValue,
  type CallContext,
  defineFunction,
  defineModule,
  defineObject,
  list,
  methodsOf,
  optional,
  optionsArgument,
  string,
} from '../../model/define/index.ts';
import { ORIGIN_TYPE } from '../../model/events/index.ts';
import { resolveMx } from '../../model/index.ts';
import { shapingLoadOptions } from '../../model/options/index.ts';
import {
  type AutomationRule,
  formatFinding,
  isRemoteName,
  LastSites,
  loadShaping,
  logFacts,
  Shaping,
  type ShapingFinding,
  type ShapingInput,
} from '../../model/shaping/index.ts';
import { sharedBy } from './kept.ts';

const copiesOf = sharedBy(remoteCopies);
const sitesOf = sharedBy(() => new LastSites());
/** URLs that could not be fetched the last time, so that each failure is told once. */
const failingOf = sharedBy(() => new Set<string>());
/** More mistakes than that are not told in one error. */
const MOST_TOLD = 20;

export const shapingModule = defineModule(
  'kumo.shaping',
  { doc: 'Traffic shaping by TOML and JSON files.' },
  {
    load: defineFunction({
      params: { files: list(string()), options: optional(optionsArgument(shapingLoadOptions), {}) },
      returns: 'shaping',
      doc: 'Reads, checks and merges shaping files and URLs, the later ones over the earlier. Names that end in .toml are TOML, in .json JSON; of others TOML is tried, then JSON. A change of one of the files begins the next configuration epoch. Mistakes raise an error that names each by FILE:LINE:COLUMN and the nearest known option; what the options give a level is in get_errors and get_warnings. May be memoized.',
      call: async ({ files, options: { options } }, context) => {
        const names = files.map((name) => (isRemoteName(name) ? name : sharedFile(name, helpersDirectory())));
        for (const name of names) if (!isRemoteName(name)) context.noteFile(name);
        const { skip_remote: skipRemote, http_timeout: httpTimeout } = options;
        const inputs = await readShapingFiles(names, { skipRemote, httpTimeout }, copiesOf(context.host));
        logFailures(inputs, context);
        const { resolver, mtaSts, clock } = context.host;
        const sites = sitesOf(context.host);
        const { shaping, findings } = await loadShaping(inputs, options, {
          resolveMx: (domain) => sites.find(domain, (name) => resolveMx(name, resolver, mtaSts)),
          now: () => clock.monotonic(),
          pause: nextTurn,
        });
        refuseMistakes(findings);
        return shaping;
      },
    }),
  },
);

/** A URL that fails is told when it begins to. */
function logFailures(inputs: readonly ShapingInput[], { host }: CallContext): void {
  const failing = failingOf(host);
  for (const { file, failure } of inputs) {
    if (!file.isRemote) continue;
    if (failure?.rule !== 'unreachable-url') failing.delete(file.name);
    else if (!failing.has(file.name)) {
      failing.add(file.name);
      host.diagnostics.error('shaping', failure.text);
    }
  }
}

function refuseMistakes(findings: readonly ShapingFinding[]): void {
  const mistakes = findings.filter(({ raises }) => raises);
  if (mistakes.length === 0) return;
  const told = mistakes.slice(0, MOST_TOLD).map(formatFinding);
  const left = mistakes.length - told.length;
  throw new Error([...told, ...(left > 0 ? [`and ${left} more`] : [])].join('\n'));
}

const path = { domain: string(), source: string(), site: string() };
const RULE =
  '{regex: string[], action: any[], trigger: any, duration: string|number, match_internal: boolean, was_rollup: boolean}';
const method = methodsOf<Shaping>();

export const shapingObject = defineObject(
  'shaping',
  Shaping,
  { doc: 'What shaping files say together. Made by kumo.shaping.load.' },
  {
    get_egress_path_config: method({
      params: path,
      returns: 'kumo.EgressPathOptions',
      doc: 'What holds for a path: a table for kumo.make_egress_path. Over one another lie the default, its table of the source, the providers that match the domain, their tables of the source, the blocks of site and domain, and theirs of the source.',
      call: (self, { domain, source, site }) => self.pathParameters(domain, source, site),
    }),
    explain_egress_path_config: method({
      params: path,
      returns: `{option: string, value: any, origin: ${ORIGIN_TYPE}}[]`,
      doc: 'The same option by option, with where each was said: the answer for the event of that name.',
      call: (self, { domain, source, site }) => self.explain(domain, source, site),
    }),
    get_errors: method({
      returns: 'string[]',
      doc: 'What was found at level Error: `FILE:LINE:COLUMN: RULE: TEXT`.',
      call: (self) => self.texts('Error'),
    }),
    get_warnings: method({
      returns: 'string[]',
      doc: 'What was found at level Warn.',
      call: (self) => self.texts('Warn'),
    }),
    get_referenced_sources: method({
      returns: 'table<string, string[]>',
      doc: 'For each source that has options of its own the sites (`site:NAME`) and domains (`domain:NAME`) that name it. Sources of providers are not told.',
      call: (self) => self.referencedSources(),
    }),
    get_dead_sources: method({
      params: { known: list(string()) },
      returns: 'string[]',
      doc: 'As findings, the places that name a source which is not among the known ones.',
      call: (self, { known }) => self.deadSources(new Set(known)).map(formatFinding),
    }),
    match_rules: method({
      params: { record: anyValue() },
      returns: `${RULE}[]`,
      doc: 'The automation rules that the response of a log record meets: those of the default, of the providers of the domain, of the site and of the domain.',
      call: async (self, { record }) => {
        const facts =
          typeof record === 'object' && record !== null
            ? logFacts(record as object as Record<string, unknown>)
            : undefined;
        return facts === undefined ? [] : (await self.matchRules(facts)).map(ruleForLua);
      },
    }),
    hash: method({
      returns: 'string',
      doc: 'Equal for files that say the same and have the same findings.',
      call: (self) => self.hash(),
    }),
  },
);

function ruleForLua({ regex, action, trigger, duration, matchInternal, isRollup }: AutomationRule): unknown {
  return { regex, action, trigger, duration, match_internal: matchInternal, was_rollup: isRollup };
}
