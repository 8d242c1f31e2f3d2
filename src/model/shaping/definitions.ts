import { type AutomationRule, ruleKey } from './automation.ts';
import type { Block } from './blocks.ts';
import type { Findings } from './findings.ts';
import type { MatchRule } from './provider-match.ts';
import type { Section, Settings } from './settings.ts';

/** What all blocks of one site, domain or provider say together; the later ones win. */
export class Definition {
  readonly settings: Settings = new Map();
  /** By source. */
  readonly sources = new Map<string, Settings>();
  automation: AutomationRule[] = [];
  /** A block with replace_base: nothing that lies underneath holds. */
  replacesBase = false;
  /** Of a provider. */
  readonly match: MatchRule[] = [];
  /** Where it was said, in order. */
  readonly sections: Section[] = [];
  readonly #rules = new Map<string, AutomationRule>();

  merge(block: Block, findings: Findings): void {
    if (block.replaceBase) {
      this.settings.clear();
      this.sources.clear();
      this.automation = [];
      this.#rules.clear();
      this.replacesBase = true;
    }
    this.sections.push(block.section);
    this.match.push(...block.match);
    mergeSettings(this.settings, block.settings);
    for (const [source, settings] of block.sources) {
      const known = this.sources.get(source);
      if (known === undefined) this.sources.set(source, new Map(settings));
      else mergeSettings(known, settings);
    }
    for (const rule of block.automation) this.#addRule(rule, findings);
  }

  #addRule(rule: AutomationRule, findings: Findings): void {
    const key = ruleKey(rule);
    const known = this.#rules.get(key);
    if (known === undefined) {
      this.#rules.set(key, rule);
      this.automation.push(rule);
      return;
    }
    const place = { file: rule.section.file, path: rule.path };
    const beside = { file: known.section.file, path: known.path };
    findings.note(
      'duplicate-rule',
      place,
      'the same automation rule is there already, so this one is left out',
      {
        beside,
      },
    );
  }
}

/** Later settings take the place of earlier ones. */
export function mergeSettings(into: Settings, from: Settings | undefined): void {
  if (from === undefined) return;
  for (const [key, setting] of from) into.set(key, setting);
}

/** Everything that the files say. */
export interface Definitions {
  readonly base: Definition;
  /** In the order of their first definition. */
  readonly providers: ReadonlyMap<string, Definition>;
  /** By site name. */
  readonly sites: ReadonlyMap<string, Definition>;
  /** By domain in lower case: blocks with mx_rollup = false. */
  readonly domains: ReadonlyMap<string, Definition>;
}
