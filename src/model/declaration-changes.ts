import { isDeepStrictEqual } from 'node:util';
import type { InitDeclaration } from './policy-host.ts';
import type { DeclarationChange } from './policy-status.ts';

/** Declarations that a switch of the policy generation takes over without a restart. */
const LIVE = new Set([
  'configure_log_hook',
  'configure_log_disposition_hook',
  'set_config_monitor_globs',
  'set_diagnostic_log_filter',
  'set_budget',
  'set_max_lua_context_age',
  'set_max_lua_context_use_count',
  'set_max_spare_lua_contexts',
]);

type Options = Record<string, unknown>;

/** What of `init` differs from what runs and cannot be taken over live. Order: as declared, then what is gone. */
export function changesThatNeedRestart(
  running: readonly InitDeclaration[],
  wanted: readonly InitDeclaration[],
): DeclarationChange[] {
  const before = named(running);
  const after = named(wanted);
  const changes: DeclarationChange[] = [];
  for (const [declaration, { options, where }] of after) {
    const was = before.get(declaration);
    if (was === undefined) changes.push({ change: 'added', declaration, where });
    else {
      const differ = differingOptions(was.options, options);
      if (differ.length > 0) changes.push({ change: 'changed', declaration, where, options: differ });
    }
  }
  for (const [declaration, { where }] of before) {
    if (!after.has(declaration)) changes.push({ change: 'removed', declaration, where });
  }
  return changes;
}

/** By what it is and, of several, which one it is. */
function named(declarations: readonly InitDeclaration[]): Map<string, InitDeclaration> {
  const byName = new Map<string, InitDeclaration>();
  for (const entry of declarations) {
    if (LIVE.has(entry.kind)) continue;
    const base = `${entry.kind}${identity(entry.options)}`;
    let name = base;
    for (let count = 2; byName.has(name); count++) name = `${base} (${count})`;
    byName.set(name, entry);
  }
  return byName;
}

function identity(given: unknown): string {
  if (typeof given !== 'object' || given === null) return '';
  const options = given as Options;
  const listen = options.listen as { address: string; port: number } | undefined;
  if (listen !== undefined) {
    const host = listen.address.includes(':') ? `[${listen.address}]` : listen.address;
    return ` ${host}:${listen.port}`;
  }
  const name = options.name ?? options.log_dir ?? options.event_name;
  return typeof name === 'string' ? ` ${name}` : '';
}

function differingOptions(before: unknown, after: unknown): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  const a = Object(before) as Options;
  const b = Object(after) as Options;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  const differ = [...keys].filter((key) => !isDeepStrictEqual(a[key], b[key])).sort();
  return differ.length > 0 ? differ : ['value'];
}
