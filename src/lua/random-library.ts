import { setFunction } from './bindings.ts';
import { type LuaThread, type Table, tag } from './fengari.ts';
import { argumentCount, bad, integerAt, push, pushNumber } from './raw-arguments.ts';
import { fengari } from './vm.ts';
import { stateOf } from './waiting.ts';

const TWO_53 = 2 ** 53;

/**
 * `math.random` of one state. Until the script seeds it, numbers come from the host; a seed holds for this state
 * alone, so that no script can foretell the numbers of another.
 */
export function openRandom(L: LuaThread, math: Table): void {
  const unseeded = () => stateOf(L).context.host.random();
  let next: () => number = unseeded;

  setFunction(L, math, 'random', (L) => {
    const count = argumentCount(L);
    if (count === 0) return push(L, tag.float, next());
    const low = count === 1 ? 1 : integerAt(L, 1, 'random');
    const high = integerAt(L, Math.min(count, 2), 'random');
    if (count === 1 && high === 0) return pushNumber(L, Math.floor(next() * TWO_53));
    if (low > high) bad(L, Math.min(count, 2), 'random', 'interval is empty');
    const width = high - low + 1;
    if (width > TWO_53) bad(L, 2, 'random', 'interval too large');
    return pushNumber(L, low + Math.floor(next() * width));
  });

  setFunction(L, math, 'randomseed', (L) => {
    if (argumentCount(L) === 0) {
      next = unseeded;
      return 0;
    }
    const seeds = [1, 2].map((index) => (index <= argumentCount(L) ? numberAt(L, index) : 0));
    next = generator(seeds[0]!, seeds[1]!);
    return 0;
  });
}

function numberAt(L: LuaThread, index: number): number {
  const { type, value } = L.stack[L.ci.funcOff + index]!;
  if ((type & 0x0f) === tag.number) return value as number;
  if ((type & 0x0f) !== tag.string) return bad(L, index, 'randomseed', 'number expected');
  const given = L.stack[L.ci.funcOff + index]!.value.realstring as Uint8Array;
  if (fengari().lua.lua_stringtonumber(L, given) === 0) bad(L, index, 'randomseed', 'number expected');
  return L.stack[--L.top]!.value as number;
}

/** Numbers in [0, 1) with 53 bits, by sfc32 (Chris Doty-Humphrey, PractRand), which passes its own tests. */
function generator(one: number, other: number): () => number {
  const words = new Uint32Array(new Float64Array([one, other]).buffer);
  let [a, b, c] = [words[0]! ^ words[3]!, words[1]!, words[2]!];
  let counter = 1;
  const word = (): number => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  };
  // The first numbers still show how the seeds are alike.
  for (let round = 0; round < 15; round++) word();
  return () => ((word() >>> 6) * 2 ** 27 + (word() >>> 5)) / TWO_53;
}
