import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { luaModules, luaObjects } from '../../src/api/lua/index.ts';
import { systemClock } from '../../src/io/clock/index.ts';
import { createPolicyEngine, type PolicyEngine } from '../../src/lua/index.ts';
import type { PolicyHost, PolicyResult } from '../../src/model/index.ts';
import { prepareTemplates } from '../../src/model/texts/index.ts';

/**
 * The hostile scripts: each file is the body of a handler. Its first line says what contains it: `-- over: BUDGET` (or
 * `BUDGET|BUDGET`), `-- over` (some budget, or the error of a limit within it), `-- raises: TEXT`, or `-- contained` (whatever it
 * comes to, it comes to it in time).
 */
export interface HostileScript {
  readonly name: string;
  readonly expected: string;
  readonly body: string;
}

export function hostileScripts(): HostileScript[] {
  const folder = join(import.meta.dirname, 'hostile');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.lua'))
    .sort()
    .map((file) => {
      const body = readFileSync(join(folder, file), 'utf8');
      return { name: file.slice(0, -4), expected: /^-- (.*)/.exec(body)![1]!, body };
    });
}

export interface Contained {
  readonly result: PolicyResult;
  /** Milliseconds from firing to the answer, and those that this thread ran, but for the other handler. */
  readonly elapsed: number;
  readonly cpu: number;
  /** Longest time between two turns of the event loop, and how much of it this thread ran. */
  readonly gap: number;
  readonly cpuGap: number;
  /** How often another handler was asked meanwhile, and how often it answered rightly. */
  readonly asked: number;
  readonly answered: number;
  /** What the ordinary handler of the same engine said afterwards. */
  readonly after: PolicyResult;
}

const cpuNow = () => systemClock.cpu!();

/** Fires the hostile handler while the event loop is watched and another handler goes on being asked. */
export async function contain(engine: PolicyEngine): Promise<Contained> {
  let [gap, cpuGap, asked, answered, others] = [0, 0, 0, 0, 0];
  let [last, lastCpu] = [systemClock.monotonic(), cpuNow()];
  let watching = true;
  const watch = (): void => {
    const [now, cpu] = [systemClock.monotonic(), cpuNow()];
    if (now - last > gap) [gap, cpuGap] = [now - last, cpu - lastCpu];
    [last, lastCpu] = [now, cpu];
    if (!watching) return;
    asked++;
    const before = cpuNow();
    if (isFine(engine.fire('normal', [asked]) as PolicyResult, asked)) answered++;
    others += cpuNow() - before;
    setImmediate(watch);
  };
  setImmediate(watch);
  await new Promise((resolve) => setImmediate(resolve));
  [gap, cpuGap, others] = [0, 0, 0];
  const [start, cpuStart] = [systemClock.monotonic(), cpuNow()];
  const result = await engine.fire('hostile', []);
  const elapsed = systemClock.monotonic() - start;
  const cpu = cpuNow() - cpuStart - others;
  watching = false;
  await new Promise((resolve) => setImmediate(resolve));
  const after = (await engine.fire('normal', [0])) as PolicyResult;
  return { result, elapsed, cpu, gap, cpuGap, asked, answered, after };
}

export function isFine(result: PolicyResult, asked: number): boolean {
  return result.kind === 'values' && result.values[0] === `fine ${asked}`;
}

export async function hostileEngine(
  directory: string,
  write: (path: string, text: string) => void,
  script: HostileScript,
): Promise<PolicyEngine> {
  const file = join(directory, `${script.name}.lua`);
  write(
    file,
    `local kumo = require 'kumo'
kumo.on('normal', function(n) return ('fine %d'):format(n) end)
kumo.on('hostile', function(...) ${script.body}
end)`,
  );
  prepareTemplates([readFileSync(file)]);
  const silent = () => {};
  const host = {
    clock: systemClock,
    diagnostics: { error: silent, warn: silent, info: silent, debug: silent },
    validating: false,
    random: Math.random,
    once: () => true,
    declare: silent,
  } as unknown as PolicyHost;
  const { engine } = await createPolicyEngine({
    file,
    modules: luaModules,
    objects: luaObjects,
    events: [],
    host,
    helpersDir: join(directory, 'helpers'),
    print: silent,
  });
  return engine;
}

/** Why the result is not what the script's first line says; undefined when it is. */
export function unexpected(script: HostileScript, result: PolicyResult): string | undefined {
  const [kind, detail] = script.expected.split(': ', 2) as [string, string?];
  const told = result.kind === 'error' ? result.message.slice(0, 300) : result.kind;
  const isOver = result.kind === 'error' && result.overBudget === true;
  switch (kind) {
    case 'over':
      if (detail === undefined) return result.kind === 'error' ? undefined : told;
      return isOver && detail.split('|').some((budget) => result.message.includes(budget)) ? undefined : told;
    case 'raises':
      return result.kind === 'error' && !isOver && result.message.includes(detail!) ? undefined : told;
    case 'contained':
      return undefined;
    default:
      return `unknown expectation '${script.expected}'`;
  }
}
