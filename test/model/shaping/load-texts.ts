import { TestResolver } from '../../../src/io/dns/index.ts';
import { resolveMx } from '../../../src/model/index.ts';
import {
  formatFinding,
  type LoadedShaping,
  loadShaping,
  ShapingFile,
  type ShapingLevels,
} from '../../../src/model/shaping/index.ts';

/** example.org and example.com have one site; big.example is at bigmail; null.example takes no mail. */
const ZONE = `
example.org. MX 10 mx.example.org.
example.com. MX 10 mx.example.org.
other.example. MX 10 mx.other.example.
big.example. MX 10 a.mx.bigmail.net.
big.example. MX 20 b.mx.bigmail.net.
half.example. MX 10 a.mx.bigmail.net.
half.example. MX 20 mx.half.example.
null.example. MX 0 .
`;

export interface World {
  now: number;
  /** Domains that were asked for. */
  asked: string[];
  resolveMx: (domain: string) => ReturnType<typeof resolveMx>;
}

export function world(): World {
  const resolver = new TestResolver([ZONE]);
  const self: World = {
    now: 0,
    asked: [],
    resolveMx: (domain) => {
      self.asked.push(domain);
      return resolveMx(domain, resolver);
    },
  };
  return self;
}

/** Loads texts by file name. */
export function load(
  texts: Readonly<Record<string, string>>,
  levels: ShapingLevels = {},
  from = world(),
): Promise<LoadedShaping> {
  const inputs = Object.entries(texts).map(([name, text]) => ({ file: new ShapingFile(name, text) }));
  return loadShaping(inputs, levels, {
    resolveMx: from.resolveMx,
    now: () => from.now,
    pause: () => Promise.resolve(),
  });
}

/** The findings of one TOML text, as lines. */
export async function found(
  text: string,
  levels: ShapingLevels = {},
  name = 'shaping.toml',
): Promise<string[]> {
  const { findings } = await load({ [name]: text }, levels);
  return findings.map((finding) => `${finding.level} ${formatFinding(finding)}`);
}
