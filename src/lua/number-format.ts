/** Numbers as text, the way Lua 5.4 (that is, C's printf) writes them. */

const INT32_MAX = 2147483647;

/** `%.14g`, except that an integral value up to 2^53 that does not fit 32 bits keeps all its digits. */
export function formatFloat(n: number): string {
  if (Number.isNaN(n)) return 'nan';
  if (n === Infinity) return 'inf';
  if (n === -Infinity) return '-inf';
  if (Number.isInteger(n)) {
    const size = Math.abs(n);
    if (size > INT32_MAX && size <= 2 ** 53) return String(n);
  }
  return general(n, 14, false);
}

/** One conversion of string.format for a number: `spec` is the text from `%` to the letter. */
export function formatNumber(spec: string, n: number): string {
  const parts = /^%([-+ #0]*)(\d*)(?:\.(\d*))?([a-zA-Z])$/.exec(spec);
  if (parts === null) throw new RangeError(`invalid conversion '${spec}' to 'format'`);
  const [, flags = '', width = '', precision, letter = ''] = parts;
  const digits = precision === undefined ? undefined : Number(precision);
  const isInteger = 'diuoxX'.includes(letter);
  let text = isInteger ? integerText(n, letter, digits) : floatText(n, letter, digits, flags.includes('#'));
  if (flags.includes('#') && isInteger) text = alternateForm(text, letter);
  if ('di'.includes(letter) || !isInteger) {
    if (!text.startsWith('-')) {
      if (flags.includes('+')) text = `+${text}`;
      else if (flags.includes(' ')) text = ` ${text}`;
    }
  }
  const padZero = flags.includes('0') && !(isInteger && digits !== undefined) && Number.isFinite(n);
  return pad(text, Number(width), flags.includes('-'), padZero);
}

function alternateForm(text: string, letter: string): string {
  if (text === '0' || text === '') return text;
  if (letter === 'x') return `0x${text}`;
  if (letter === 'X') return `0X${text}`;
  return letter === 'o' ? `0${text}` : text;
}

function integerText(n: number, letter: string, digits: number | undefined): string {
  const radix = letter === 'o' ? 8 : letter === 'x' || letter === 'X' ? 16 : 10;
  // C prints a negative number with an unsigned conversion as 64-bit two's complement.
  const unsigned = letter !== 'd' && letter !== 'i';
  let text = unsigned && n < 0 ? BigInt.asUintN(64, BigInt(n)).toString(radix) : Math.abs(n).toString(radix);
  if (letter === 'X') text = text.toUpperCase();
  if (digits !== undefined) text = digits === 0 && n === 0 ? '' : text.padStart(digits, '0');
  return n < 0 && !unsigned ? `-${text}` : text;
}

function floatText(n: number, letter: string, digits = 6, alternate = false): string {
  if (!Number.isFinite(n)) {
    const text = formatFloat(n);
    return letter === letter.toUpperCase() ? text.toUpperCase() : text;
  }
  const sign = n < 0 || Object.is(n, -0) ? '-' : '';
  const size = Math.abs(n);
  let text: string;
  if (letter === 'f' || letter === 'F') text = fixed(size, digits);
  else if (letter === 'e' || letter === 'E') text = twoDigitExponent(size.toExponential(digits));
  else text = general(size, digits === 0 ? 1 : digits, alternate);
  if (letter === 'E' || letter === 'G') text = text.toUpperCase();
  return sign + text;
}

/**
 * `%f`. toFixed gives up at 1e21, where the exact digits are those of the BigInt; and it rounds a tie up, where
 * C rounds it to the even digit.
 */
function fixed(size: number, digits: number): string {
  if (size >= 1e21) {
    const whole = BigInt(size).toString();
    return digits === 0 ? whole : `${whole}.${'0'.repeat(digits)}`;
  }
  const rounded = size.toFixed(digits);
  const exact = size.toFixed(Math.min(100, digits + 30));
  const kept = exact.indexOf('.') + 1 + digits;
  if (!/^50*$/.test(exact.slice(kept))) return rounded;
  const truncated = exact.slice(0, digits === 0 ? kept - 1 : kept);
  return Number(truncated.at(-1)) % 2 === 0 ? truncated : rounded;
}

/** `%g`: `digits` significant digits, exponent form when the exponent is below -4 or not below `digits`. */
function general(n: number, digits: number, keepZeros: boolean): string {
  const exponential = n.toExponential(digits - 1);
  const at = exponential.indexOf('e');
  const exponent = Number(exponential.slice(at + 1));
  let text: string;
  if (exponent < -4 || exponent >= digits) {
    const mantissa = keepZeros ? exponential.slice(0, at) : dropZeros(exponential.slice(0, at));
    text = twoDigitExponent(mantissa + exponential.slice(at));
  } else {
    const plain = (n < 0 ? '-' : '') + fixed(Math.abs(n), Math.max(0, digits - 1 - exponent));
    text = keepZeros ? plain : dropZeros(plain);
  }
  return Object.is(n, -0) ? `-${text}` : text;
}

function dropZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function twoDigitExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

function pad(text: string, width: number, left: boolean, zeros: boolean): string {
  if (text.length >= width) return text;
  if (left) return text.padEnd(width);
  if (!zeros) return text.padStart(width);
  const prefix = /^[-+ ]?(?:0[xX])?/.exec(text)?.[0] ?? '';
  return prefix + text.slice(prefix.length).padStart(width - prefix.length, '0');
}
