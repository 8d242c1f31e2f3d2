import { type Clock, DnsError, type DnsFailureKind, type Resolver } from '../../model/index.ts';

/** A question as mailauth asks it; a failure has a `code` as those of node:dns. */
export type LookUp = (name: string, type: string) => Promise<unknown[]>;

/** Questions of one check; SPF alone may ask 10 terms for 10 hosts each (RFC 7208 §4.6.4). */
const MOST_LOOK_UPS = 150;
/** ms for all questions of one check together (RFC 7208 §4.6.4: at least 20 s). */
const PATIENCE = 20_000;
/** Octets of one TXT record, and records of one answer, that are read. */
const LONGEST_RECORD = 16 * 1024;
const MOST_RECORDS = 100;

const CODES: Record<DnsFailureKind, string> = {
  nxdomain: 'ENOTFOUND',
  servfail: 'ESERVFAIL',
  timeout: 'ETIMEOUT',
  refused: 'EREFUSED',
  malformed: 'EBADRESP',
};

class LookUpError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface LookUpBounds {
  /** Whose names are asked for with PTR; without it there are none. */
  ip?: string;
  /** What is said of a name that cannot be asked for. Default ENOTFOUND. */
  badName?: 'ENOTFOUND' | 'EBADNAME';
}

/** Questions to the resolver of one check: so many, for so long, and with answers of such a size. */
export function boundedLookUps(resolver: Resolver, clock: Clock, bounds: LookUpBounds = {}): LookUp {
  const { ip, badName = 'ENOTFOUND' } = bounds;
  const deadline = clock.monotonic() + PATIENCE;
  let asked = 0;
  return async (name, type) => {
    if (!isName(name)) throw new LookUpError(badName, `'${name.slice(0, 300)}' is not a domain name`);
    if (++asked > MOST_LOOK_UPS) {
      throw new LookUpError('ELIMIT', `more than ${MOST_LOOK_UPS} questions of DNS`);
    }
    const records = await before(deadline, clock, name, () => answer(resolver, name, type, ip));
    if (records.length === 0) throw new LookUpError('ENODATA', `${name} has no ${type}`);
    return records.slice(0, MOST_RECORDS);
  };
}

/** RFC 1035 §2.3.4. */
function isName(name: string): boolean {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  return bare.length <= 253 && bare.split('.').every((label) => label !== '' && label.length <= 63);
}

async function answer(
  resolver: Resolver,
  name: string,
  type: string,
  ip: string | undefined,
): Promise<unknown[]> {
  try {
    switch (type) {
      case 'A':
        return (await resolver.a(name)).records;
      case 'AAAA':
        return (await resolver.aaaa(name)).records;
      case 'MX':
        return (await resolver.mx(name)).records.map(({ preference, exchange }) => ({
          priority: preference,
          exchange,
        }));
      case 'PTR':
        return ip === undefined ? [] : (await resolver.ptr(ip)).records;
      case 'TXT':
        return (await resolver.txt(name)).records.map((text) => [readable(text)]);
      default:
        throw new LookUpError('ENOTIMP', `nobody asks for ${type}`);
    }
  } catch (error) {
    if (!(error instanceof DnsError)) throw error;
    throw new LookUpError(CODES[error.kind], error.message);
  }
}

/** One that is too long is as good as none: what is cut off might have been what counts. */
function readable(text: string): string {
  return text.length > LONGEST_RECORD ? '' : text;
}

function before<T>(deadline: number, clock: Clock, name: string, ask: () => Promise<T>): Promise<T> {
  const left = deadline - clock.monotonic();
  const late = (): LookUpError => new LookUpError('ETIMEOUT', `${name}: no time is left for it`);
  if (left <= 0) return Promise.reject(late());
  return new Promise((resolve, reject) => {
    const timer = clock.after(left, () => reject(late()));
    ask()
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
