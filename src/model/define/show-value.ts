/** How values of a policy are shown in error texts. */

const LONGEST = 1000;
/** Of a whole error text; what is wrong often stands at its end. */
const HEAD = 1400;
const TAIL = 400;
/** Values of these keys are never shown: an error text ends up in logs. */
const SECRET = /password|key_data|token|secret/i;
/** Name and password in a URL. */
const USERINFO = /:\/\/[^/@\s"]{1,500}@/g;

/** What a policy author calls the kind of this value. */
export function typeOfValue(value: unknown): string {
  if (value === undefined || value === null) return 'nil';
  if (Buffer.isBuffer(value)) return 'string that is not UTF-8';
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'object') {
    if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
      return 'table';
    return 'luaFunction' in value ? 'function' : value.constructor.name;
  }
  return typeof value;
}

/** Compact JSON of a value for an error text, secrets left out, cut when it is long. */
export function showValue(value: unknown): string {
  const text = JSON.stringify(value, (key, inner: unknown) => {
    if (key !== '' && SECRET.test(key)) return '(not shown)';
    if (typeof inner === 'object' && inner !== null) {
      const type = typeOfValue(inner);
      if (type !== 'list' && type !== 'table') return `(${type})`;
    }
    return inner;
  });
  if (text === undefined) return 'null';
  return cut(text.replace(USERINFO, '://(not shown)@'));
}

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}

/** An error text without its middle when it is long: it may quote a megabyte that came from the network. */
export function shortened(text: string): string {
  const left = text.length - HEAD - TAIL;
  if (left <= 100) return text;
  return `${text.slice(0, HEAD)} ...(${left} characters left out)... ${text.slice(-TAIL)}`;
}
