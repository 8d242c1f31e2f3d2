import { LRUCache } from 'lru-cache';
import { SigningKeys } from '../../io/dkim/index.ts';
import {
  type CallContext,
  defineFunction,
  defineModule,
  defineObject,
  integer,
  isJsonView,
  makeKind,
  nearestName,
  parseOptions,
  refuse,
  typeOfValue,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { type MaybePromise, measured } from '../../model/index.ts';
import { type DkimSigningOptions, dkimSignerOptions } from '../../model/options/index.ts';
import { type Canonicalization, DkimSigner, type SigningKey } from '../../protocol/dkim/index.ts';
import { sharedBy } from './kept.ts';
import { loadKey } from './key-source.ts';

type Given = Readonly<Record<string, unknown>>;

/** Options that were checked, with the signer that they and the key made last. */
interface Checked {
  readonly options: DkimSigningOptions;
  /** Names that mean nothing. */
  readonly unknown: readonly string[];
  signer: DkimSigner | undefined;
}

/** What kumo.dkim.set_signing_threads declares. */
export const SIGNING_THREADS = 'dkim.set_signing_threads';
const cache = {
  lookups: measured.series('dkim_signer_cache_lookup_count'),
  hits: measured.series('dkim_signer_cache_hit'),
  misses: measured.series('dkim_signer_cache_miss'),
};
const creation = measured.histogram('dkim_signer_creation');
/** Most signers kept. */
const MOST_SIGNERS = 1024;

const signersOf = sharedBy(() => new LRUCache<string, Checked>({ max: MOST_SIGNERS }));
const keysOf = sharedBy(
  (host) =>
    new SigningKeys({
      clock: host.clock,
      diagnostics: host.diagnostics,
      epoch: () => host.configEpoch?.() ?? 0,
      once: (key) => host.once(key),
    }),
);

/** Remembered tables, such as a list of headers, as what is in them; options nest no deeper than key sources. */
function plain(value: unknown, depth: number): unknown {
  if (isJsonView(value)) return value.asJson();
  if (depth === 0 || typeOfValue(value) !== 'table') return value;
  const table = value as Record<string, unknown>;
  for (const name in table) table[name] = plain(table[name], depth - 1);
  return table;
}

const signerTable = makeKind(
  'table of options',
  dkimSignerOptions.luaClass,
  (value, at): Given => {
    const given = plain(value, 2);
    return typeOfValue(given) === 'table' ? (given as Given) : refuse(at, 'a table', given);
  },
  { optionsOf: dkimSignerOptions.owner },
);

/** What KumoMTA knows by name and refuses; so do we. */
function refuseUnsupported({ atps, atpsh, agent_user_identifier, body_length, reporting }: Given): void {
  const wanted = {
    atps,
    atpsh,
    agent_user_identifier,
    body_length: body_length === true || undefined,
    reporting: reporting === true || undefined,
  };
  for (const [name, value] of Object.entries(wanted)) {
    if (value !== undefined && value !== null) throw new Error(`${name} is not currently supported`);
  }
}

/** Unknown names are passed over, as KumoMTA does, but not in silence. */
function check(given: Given): Checked {
  refuseUnsupported(given);
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(dkimSignerOptions.fields, name));
  const known = Object.fromEntries(Object.entries(given).filter(([name]) => !unknown.includes(name)));
  const meaning = unknown.filter((name) => name !== 'body_length' && name !== 'reporting');
  return { options: parseOptions(dkimSignerOptions, known), unknown: meaning, signer: undefined };
}

function warnUnknown({ unknown }: Checked, { host, where }: CallContext): void {
  for (const name of unknown) {
    const near = nearestName(name, Object.keys(dkimSignerOptions.fields));
    const advice = near === undefined ? '' : `; did you mean '${near}'?`;
    const text = `${where()}: a DKIM signer has no option '${name}', which is ignored${advice}`;
    if (host.once(text)) host.diagnostics.warn('policy', text);
  }
}

/** The signer for these options; waits only when its key has to be read. */
function signerFor(given: Given, context: CallContext): MaybePromise<DkimSigner> {
  const signers = signersOf(context.host);
  const name = JSON.stringify(given);
  let checked = signers.get(name);
  cache.lookups.add();
  (checked === undefined ? cache.misses : cache.hits).add();
  if (checked === undefined) {
    checked = check(given);
    signers.set(name, checked);
  }
  if (checked.unknown.length > 0) warnUnknown(checked, context);
  const { key: source, ttl } = checked.options;
  const key = keysOf(context.host).get(source, ttl, (source) => loadKey(source, context));
  return key instanceof Promise
    ? key.then((read) => signerWith(checked, read, context))
    : signerWith(checked, key, context);
}

function signerWith(checked: Checked, key: SigningKey, { host: { clock } }: CallContext): DkimSigner {
  if (checked.signer?.key !== key) {
    const began = clock.monotonic();
    const { header_canonicalization, body_canonicalization, over_sign, ...options } = checked.options;
    checked.signer = new DkimSigner(
      {
        ...options,
        headerCanonicalization: header_canonicalization.toLowerCase() as Canonicalization,
        bodyCanonicalization: body_canonicalization.toLowerCase() as Canonicalization,
        overSign: over_sign,
      },
      key,
    );
    creation.took(clock.monotonic() - began);
  }
  return checked.signer;
}

function signerFunction(algorithm: string): UnnamedFunction {
  return defineFunction({
    params: { options: signerTable },
    returns: 'dkim_signer',
    doc: `A signer for msg:dkim_sign, meant for a key of ${algorithm}; the key decides. Equal options share it, so it may be asked for with every message. Raises an error that names the key when there is none; a key that was good once stays in use.`,
    call: ({ options }, context) => signerFor(options, context),
  });
}

export const dkimModule = defineModule(
  'kumo.dkim',
  { doc: 'Signatures of DKIM (RFC 6376, RFC 8463).' },
  {
    rsa_sha256_signer: signerFunction('RSA'),
    ed25519_signer: signerFunction('Ed25519'),
    set_signing_threads: defineFunction({
      params: { count: integer({ min: 1 }) },
      doc: 'Most RSA signatures that a shard makes at the same time, on the threads of the process; default 4. Once, in the event `pre_init` or `init`.',
      call: ({ count }, { host, event, where }) => {
        if (event !== 'init' && event !== 'pre_init') {
          throw new Error('it may be called in the events pre_init and init alone');
        }
        if (host.declared?.(SIGNING_THREADS) !== undefined) throw new Error('it may be called once only');
        host.declare({ kind: SIGNING_THREADS, options: count, where: where() });
      },
    }),
  },
);

export const dkimSignerObject = defineObject('dkim_signer', DkimSigner, {
  doc: 'Signs messages for one domain, with one key.',
  text: ({ options: { selector, domain } }) => `dkim_signer ${selector}._domainkey.${domain}`,
});
