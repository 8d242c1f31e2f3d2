import { duration, makeKind, shortened, throttleSpec, typeOfValue } from '../define/index.ts';
import { egressPathOptions } from '../options/index.ts';
import { compilePattern, unsupportedPart } from '../patterns/index.ts';
import type { DataPath } from '../texts/index.ts';
import type { Findings, Place } from './findings.ts';
import type { ShapingRuleName } from './rules.ts';
import { adviceOn, checkValue, type Section, sectionText } from './settings.ts';

/** An effect on one option of the path, for the source that got the reply. */
export interface SetOption {
  readonly name: string;
  readonly value: unknown;
}

export type AutomationAction = string | { SetConfig: SetOption } | { SetDomainConfig: SetOption };

/** What is to be done when replies match (helpers.md 9). */
export interface AutomationRule {
  /** Any of them is to match. */
  readonly regex: readonly string[];
  readonly action: readonly AutomationAction[];
  readonly trigger: 'Immediate' | { readonly Threshold: string };
  /** As it was written: a text, or seconds. */
  readonly duration: string | number;
  /** Looks at replies that Moonpost made itself, and at no others. */
  readonly matchInternal: boolean;
  /** Acts on all domains of a site, as rules of the default and of blocks with mx_rollup do. */
  readonly isRollup: boolean;
  readonly section: Section;
  /** Where the rule itself stands. */
  readonly path: DataPath;
}

const KEYS = ['regex', 'action', 'duration', 'trigger', 'match_internal'];
const PLAIN_ACTIONS = [
  'Suspend',
  'SuspendTenant',
  'SuspendCampaign',
  'Bounce',
  'BounceTenant',
  'BounceCampaign',
];
const SETTING_ACTIONS = ['SetConfig', 'SetDomainConfig'];
const anything = makeKind('any', 'any', (value) => value);

/** Reads the rules of one block; those that cannot be used are noted and left out. */
export function readAutomation(
  section: Section,
  value: unknown,
  isRollup: boolean,
  findings: Findings,
): AutomationRule[] {
  const path = [...section.path, 'automation'];
  if (!Array.isArray(value)) {
    const place = { file: section.file, path };
    findings.note('wrong-type', place, `automation: expected a list of rules, got ${typeOfValue(value)}`);
    return [];
  }
  return value.flatMap((rule: unknown, index) => {
    const reader = new RuleReader(section, [...path, index], findings);
    const read = reader.read(rule);
    return read === undefined ? [] : [{ ...read, isRollup }];
  });
}

class RuleReader {
  readonly #section: Section;
  readonly #path: DataPath;
  readonly #findings: Findings;
  #isGood = true;

  constructor(section: Section, path: DataPath, findings: Findings) {
    this.#section = section;
    this.#path = path;
    this.#findings = findings;
  }

  read(rule: unknown): Omit<AutomationRule, 'isRollup'> | undefined {
    if (typeOfValue(rule) !== 'table') {
      this.#note('wrong-type', [], `expected an automation rule, got ${typeOfValue(rule)}`);
      return undefined;
    }
    const table = rule as Record<string, unknown>;
    for (const key of Object.keys(table)) {
      if (!KEYS.includes(key))
        this.#findings.note(
          'unknown-rule-key',
          this.#place([key]),
          `'${key}' means nothing in an automation rule${adviceOn(key, KEYS)}`,
        );
    }
    const missing = ['regex', 'action', 'duration'].filter(
      (key) => table[key] === undefined || table[key] === null,
    );
    for (const key of missing) {
      this.#note('missing-key', [], `an automation rule of ${sectionText(this.#section)} has no ${key}`);
    }
    const read = {
      regex: missing.includes('regex') ? [] : this.#patterns(table.regex),
      action: missing.includes('action') ? [] : this.#actions(table.action),
      trigger: this.#trigger(table.trigger ?? 'Immediate'),
      duration: table.duration as string | number,
      matchInternal: (table.match_internal ?? false) as boolean,
    };
    if (!missing.includes('duration')) this.#check(durations, table.duration, ['duration']);
    if (typeof read.matchInternal !== 'boolean')
      this.#note(
        'wrong-type',
        ['match_internal'],
        `match_internal: expected true or false, got ${typeOfValue(read.matchInternal)}`,
      );
    return this.#isGood ? { ...read, section: this.#section, path: this.#path } : undefined;
  }

  #patterns(value: unknown): string[] {
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (list.length === 0) this.#note('missing-key', ['regex'], 'regex has no pattern');
    list.forEach((pattern, index) => {
      const path = Array.isArray(value) ? ['regex', index] : ['regex'];
      if (typeof pattern !== 'string') {
        this.#note('wrong-type', path, `regex: expected a pattern, got ${typeOfValue(pattern)}`);
        return;
      }
      const part = unsupportedPart(pattern);
      if (part !== undefined) {
        const text = `the pattern '${shortened(pattern)}' of an automation rule of ${sectionText(this.#section)} uses ${part}, which Moonpost does not have: it can take forever on some replies. The rule is left out`;
        this.#note('unsupported-regex', path, text);
        return;
      }
      try {
        compilePattern(pattern);
      } catch (error) {
        this.#note('bad-regex', path, (error as Error).message);
      }
    });
    return list as string[];
  }

  #actions(value: unknown): AutomationAction[] {
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (list.length === 0) this.#note('missing-key', ['action'], 'action has no action');
    for (const [index, action] of list.entries()) {
      this.#action(action, Array.isArray(value) ? ['action', index] : ['action']);
    }
    return list as AutomationAction[];
  }

  #action(action: unknown, path: DataPath): void {
    if (typeof action === 'string') {
      if (PLAIN_ACTIONS.includes(action)) return;
      const known = [...PLAIN_ACTIONS, ...SETTING_ACTIONS];
      const needs = SETTING_ACTIONS.includes(action)
        ? `; write {${action} = {name = ..., value = ...}}`
        : adviceOn(action, known);
      this.#note('bad-action', path, `'${action}' is no action by itself${needs}`);
      return;
    }
    const names = typeOfValue(action) === 'table' ? Object.keys(action as object) : [];
    const [name] = names;
    if (names.length !== 1 || !SETTING_ACTIONS.includes(name!)) {
      const near = name === undefined ? '' : adviceOn(name, SETTING_ACTIONS);
      this.#note(
        'bad-action',
        path,
        `an action is one of ${PLAIN_ACTIONS.join(', ')}, or a table with ${SETTING_ACTIONS.join(' or ')}${near}`,
      );
      return;
    }
    this.#setOption((action as Record<string, unknown>)[name!], [...path, name!]);
  }

  #setOption(given: unknown, path: DataPath): void {
    const table = (typeOfValue(given) === 'table' ? given : {}) as Partial<SetOption>;
    for (const key of ['name', 'value'] as const) {
      if (table[key] === undefined || table[key] === null) {
        this.#note('missing-key', path, `${path.at(-1)} has no ${key}`);
      }
    }
    if (table.name === undefined || table.value === undefined) return;
    const { fields } = egressPathOptions as { fields: Record<string, { kind: typeof anything }> };
    const field = Object.hasOwn(fields, table.name) ? fields[table.name] : undefined;
    if (field === undefined) {
      this.#note(
        'unknown-option',
        [...path, 'name'],
        `'${table.name}' is no option${adviceOn(table.name, Object.keys(fields))}`,
      );
    } else this.#check(field.kind, table.value, [...path, 'value'], table.name);
  }

  #trigger(trigger: unknown): AutomationRule['trigger'] {
    const threshold = typeOfValue(trigger) === 'table' ? (trigger as Record<string, unknown>) : undefined;
    if (trigger !== 'Immediate' && threshold?.Threshold === undefined) {
      const advice = typeof trigger === 'string' ? adviceOn(trigger, ['Immediate']) : '';
      this.#note('bad-trigger', ['trigger'], `a trigger is "Immediate" or {Threshold = "10/hour"}${advice}`);
    } else if (threshold !== undefined) {
      this.#check(throttles, threshold.Threshold, ['trigger', 'Threshold']);
    }
    return trigger as AutomationRule['trigger'];
  }

  #check(kind: typeof anything, value: unknown, path: DataPath, name = String(path[0])): void {
    if (!checkValue(kind, value, name, this.#place(path), this.#findings)) this.#isGood = false;
  }

  #note(rule: ShapingRuleName, path: DataPath, text: string): void {
    this.#isGood = false;
    this.#findings.note(rule, this.#place(path), text);
  }

  #place(path: DataPath): Place {
    return { file: this.#section.file, path: [...this.#path, ...path] };
  }
}

const durations = duration() as typeof anything;
const throttles = throttleSpec() as unknown as typeof anything;

/** Equal for rules that do the same. */
export function ruleKey({ regex, action, trigger, duration, matchInternal }: AutomationRule): string {
  return JSON.stringify([regex, action, trigger, duration, matchInternal]);
}
