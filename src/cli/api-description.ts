import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { endpoints } from '../api/http/index.ts';
import { luaModules, luaObjects } from '../api/lua/index.ts';
import { helpersDirectory } from '../io/files/index.ts';
import { events } from '../model/events/index.ts';
import { type Difference, differences, logFields, metrics, RECORD_TYPES } from '../model/index.ts';
import { declaredOptions } from '../model/options/index.ts';

/** Everything that policies, log consumers and clients can rely on, by kind and name. */
export interface ApiDescription {
  /** With `planned` for those that do not fire yet. */
  events: { name: string; status: string }[];
  /** `is` says what a name is that is no function, such as `counter_series:sum`. */
  functions: { name: string; is?: string }[];
  methods: { name: string }[];
  options: { owner: string; name: string; effect: string }[];
  endpoints: { method: string; path: string }[];
  commands: { name: string }[];
  metrics: { name: string; type: string; labels: readonly string[] }[];
  log_fields: { name: string }[];
  record_types: { name: string }[];
  differences: readonly Difference[];
}

/**
 * Pages of the reference of KumoMTA that are named like functions and are about objects: the classes and methods
 * that they describe are those here.
 */
const PAGES_OF_OBJECTS: Readonly<Record<string, string>> = {
  'kumo.time.Time': 'time',
  'kumo.time.TimeDelta': 'time_delta',
  'kumo.http.Request': 'http_request',
  'kumo.http.Response': 'http_response',
  'kumo.jsonl.LogBatch': 'jsonl_batch',
  'kumo.aaa.auth_info': 'connection_meta:auth_info',
  'kumo.counter_series.increment': 'counter_series:increment',
  'kumo.counter_series.delta': 'counter_series:delta',
  'kumo.counter_series.observe': 'counter_series:observe',
  'kumo.counter_series.sum': 'counter_series:sum',
  'kumo.counter_series.sum_over': 'counter_series:sum_over',
};

/** Classes that the reference of KumoMTA spells otherwise. */
const SPELLED: Readonly<Record<string, string>> = { address_header: 'addressheader' };

/** What such a page is about, as long as it is there. */
function pagesOfObjects(): { name: string; is: string }[] {
  const members = luaObjects.flatMap(({ name, methods }) => [
    name,
    ...methods.map((method) => `${name}:${method.name}`),
  ]);
  const there = new Set(members);
  return Object.entries(PAGES_OF_OBJECTS)
    .filter(([, is]) => there.has(is))
    .map(([name, is]) => ({ name, is }));
}

/** What policies call of the helper modules: those functions of `mod` that do not begin with an underscore. */
function helperFunctions(): { name: string }[] {
  const directory = helpersDirectory();
  return readdirSync(directory)
    .filter((file) => file.endsWith('.lua'))
    .sort()
    .flatMap((file) => {
      const text = readFileSync(join(directory, file), 'utf8');
      const names = [...text.matchAll(/^function mod[.:]([a-z]\w*)/gm)].map(([, name]) => name);
      return names.map((name) => ({ name: `policy-extras.${file.slice(0, -'.lua'.length)}.${name}` }));
    });
}

/** The description that `moonpost api --json` prints; `commands` are the subcommands there are. */
export function describeApi(commands: readonly string[]): ApiDescription {
  return {
    events: events.map(({ name, status }) => ({ name, status })),
    functions: luaModules
      .flatMap(({ name: module, functions, values }): { name: string; is?: string }[] =>
        [...functions.map(({ name }) => name), ...Object.keys(values ?? {})].map((name) => ({
          name: `${module}.${name}`,
        })),
      )
      .concat(pagesOfObjects(), helperFunctions()),
    methods: luaObjects.flatMap(({ name: object, methods, fields }) =>
      [...methods, ...(fields ?? [])].map(({ name }) => ({ name: `${SPELLED[object] ?? object}:${name}` })),
    ),
    options: declaredOptions.flatMap(({ owner, fields }) =>
      Object.entries(fields).map(([name, { effect }]) => ({ owner, name, effect })),
    ),
    endpoints: endpoints().map(({ method, path }) => ({ method, path })),
    commands: commands.map((name) => ({ name })),
    metrics: metrics.map(({ name, type, labels }) => ({ name, type, labels })),
    log_fields: logFields.map(({ name }) => ({ name })),
    record_types: RECORD_TYPES.map((name) => ({ name })),
    differences,
  };
}
