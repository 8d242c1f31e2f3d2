import {
  anyValue,
  type CallContext,
  defineFunction,
  defineObject,
  type GivenOptions,
  LuaCall,
  LuaErrorText,
  type LuaFunction,
  type LuaOutcome,
  luaFunction,
  optionsArgument,
  PolicyValueError,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { formatJsonPretty } from '../../model/index.ts';
import {
  KeptTable,
  type KeptValue,
  keepValue,
  keptForLua,
  type Memo,
  MemoCache,
  MemoMeter,
} from '../../model/kept/index.ts';
import { type MemoizeOptions, memoizeOptions } from '../../model/options/index.ts';
import { sharedBy } from './kept.ts';

/** Names that KumoMTA uses for caches of its own. */
const RESERVED = new Set([
  'dkim_key_cache',
  'dkim_signer_cache',
  'dns_resolver_mx',
  'http_server_auth',
  'smtp_server_tls_config',
]);
const MOST_TRIES = 3;

const cachesOf = sharedBy(() => new Map<string, MemoCache>());

export const memoizeFunctions = {
  memoize: defineFunction({
    params: { fn: luaFunction('fun(...): any'), options: optionsArgument(memoizeOptions) },
    returns: 'fun(...): any',
    doc: 'A function that remembers the results of `fn` by its arguments. Tables come back as memoized_table.',
    call: ({ fn, options: given }: { fn: LuaFunction; options: GivenOptions<MemoizeOptions> }, context) => {
      const { options } = given;
      const cache = cacheFor(options, context);
      const memoized = { cache, fn, options, context };
      return (...args: unknown[]) => recall(memoized, keyOf(memoized, args), args, 1);
    },
  }),
} satisfies Record<string, UnnamedFunction>;

interface Memoized {
  readonly cache: MemoCache;
  readonly fn: LuaFunction;
  readonly options: MemoizeOptions;
  readonly context: CallContext;
}

/** The cache of that name; other parameters than before begin a new one. */
function cacheFor(options: MemoizeOptions, { host }: CallContext): MemoCache {
  const { name, ttl, capacity, allow_stale_reads: allowStale } = options;
  if (RESERVED.has(name)) throw new PolicyValueError(`memoize: '${name}' is the name of a built-in cache`);
  const caches = cachesOf(host);
  const known = caches.get(name);
  const same =
    known?.options.ttl === ttl &&
    known.options.capacity === capacity &&
    known.options.allowStale === allowStale;
  if (same) return known;
  const made = new MemoCache({ ttl, capacity, allowStale }, new MemoMeter(name));
  caches.set(name, made);
  return made;
}

/** One argument is its own key and none is null, so that f(1, 2) and f({1, 2}) are the same, as in KumoMTA. */
function keyOf({ options }: Memoized, args: unknown[]): string {
  const json = args.map((arg, index) =>
    anyValue().parse(arg, `memoize ${options.name}: argument ${index + 1}`, false),
  );
  return formatJsonPretty(json.length > 1 ? json : (json[0] ?? null));
}

function epochOf({ options, context }: Memoized): number {
  return options.invalidate_with_epoch ? (context.host.configEpoch?.() ?? 0) : 0;
}

function recall(memoized: Memoized, key: string, args: unknown[], tries: number): unknown {
  const { cache, options, context } = memoized;
  const now = context.host.clock.monotonic();
  const fresh = cache.fresh(key, now, epochOf(memoized));
  if (fresh !== undefined) return unwrap(fresh);
  const pending = cache.pending(key, now, options.populate_timeout);
  if (pending === undefined) return compute(memoized, key, args);
  const stale = cache.stale(key);
  if (stale !== undefined) return unwrap(stale);
  cache.waits(1);
  return wait(pending, memoized).then((memo) => {
    cache.waits(-1);
    if (memo !== undefined) return unwrap(memo);
    if (options.retry_on_populate_timeout && tries < MOST_TRIES)
      return recall(memoized, key, args, tries + 1);
    throw new Error(`memoize ${options.name}: nobody computed the value in time`);
  });
}

/** What stands in for an error, where that was asked for and there is something. */
function lastGood({ cache, options, context }: Memoized, key: string, error: string): Memo | undefined {
  const memo = options.keep_last_good ? cache.lastGood(key) : undefined;
  if (memo !== undefined) {
    context.host.diagnostics.error('lua', `${error}; what memoize ${options.name} gave before stays`);
  }
  return memo;
}

function compute(memoized: Memoized, key: string, args: unknown[]): LuaCall {
  const { cache, context, fn } = memoized;
  const { clock } = context.host;
  const epoch = epochOf(memoized);
  const finish = cache.begin(key, clock.monotonic());
  const settle = (outcome: LuaOutcome): unknown => {
    let memo: Memo;
    try {
      memo = outcome.ok ? { value: resultOf(outcome.values) } : { error: outcome.message };
    } catch (error) {
      memo = { error: (error as Error).message };
    }
    if ('error' in memo) memo = lastGood(memoized, key, memo.error) ?? memo;
    finish(memo, clock.monotonic(), epoch);
    return unwrap(memo);
  };
  return new LuaCall(fn, args, settle, memoized.options.keep_last_good);
}

/** Several results become one list. */
function resultOf(values: unknown[]): KeptValue {
  if (values.length < 2) return keepValue(values[0], 'the result');
  return new Map(values.map((value, index) => [index + 1, keepValue(value, `result ${index + 1}`)]));
}

function unwrap(memo: Memo): unknown {
  if ('error' in memo) throw new LuaErrorText(memo.error);
  return keptForLua(memo.value) ?? null;
}

/** What the other caller comes to; undefined when that takes too long. */
async function wait(pending: Promise<Memo>, { options, context }: Memoized): Promise<Memo | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = context.host.clock.after(options.populate_timeout, () => resolve(undefined));
  const memo = await Promise.race([pending, late]);
  timer.cancel();
  return memo;
}

export const memoizedTableObject = defineObject('memoized_table', KeptTable, {
  doc: 'A table that was kept, such as a memoized result. Assigning to it changes it for this holder alone.',
  entries: (self) => new Map([...self.entries.keys()].map((key) => [key, self.get(key)])),
  index: (self, key) => self.get(key as string),
  assign: (self, key, value) => {
    if (typeof key !== 'string' && !Number.isInteger(key)) throw new Error('a key is a string or an integer');
    self.set(key as string, keepValue(value, String(key)));
  },
});
