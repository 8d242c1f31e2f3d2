import { expect, test } from 'vitest';
import { luaModules, luaObjects } from '../../../src/api/lua/index.ts';
import type { FunctionDeclaration } from '../../../src/model/define/index.ts';
import { PolicyPattern } from '../../../src/model/patterns/index.ts';
import { HeaderMap, MimeBuilder, parseMime } from '../../../src/protocol/mime/index.ts';
import { message, notingHost } from './kit.ts';

/**
 * Long texts of every shape for each parameter of every function that reads text, called as the engine calls it but
 * without a budget: what a budget stops is no measure of what the function itself does.
 */

const LENGTH = 64 * 1024;
/** ms; what takes less for LENGTH takes 4 s for a megabyte even if it grows with n². */
const QUICK = 15;
/** ms; nothing takes as long for four times LENGTH, on a busy machine either. */
const ENDLESS = 5000;
/** For 4 times the text: n takes 4 times as long, n² 16 times. More than this is looked at again. */
const SUSPICIOUS = 8;
/** For 16 times the text: n takes 16 times as long, also when it changes its ways for long texts, n² 256 times. */
const MOST_GROWTH = 80;

const SHAPES: Readonly<Record<string, string>> = {
  letters: 'a',
  blanks: ' ',
  words: 'ab ',
  dots: '.',
  'not ASCII': 'é',
  brackets: '[',
  braces: '{"a":',
  parentheses: '(',
  'quotes and comments': '"\\#',
  'open comments': '/*',
  'encoded words': '=?utf-8?q?=C3?=',
  templates: '{{ a }}{% if ',
  digits: '1',
  'angle brackets': '<',
  parameters: 'a="b;',
  commas: ',',
  lines: '\r\n',
  'folded lines': '\r\n ',
};
const shapes = Object.entries(SHAPES);

const fill = (shape: string, length: number) => shape.repeat(length / shape.length);

const context = { host: notingHost() } as never;

/** A small value for the other parameters, one that `text` may hold many times where it can be any text. */
function sample(name: string, luaType: string, text: string): unknown {
  if (name === 'charset') return 'iso-8859-1';
  if (name === 'content_type') return 'text/plain';
  if (luaType.includes('integer') || luaType.includes('number')) return 1;
  if (luaType.includes('boolean')) return true;
  if (/\bstring\b/.test(luaType)) return text.slice(0, 1);
  if (luaType.includes('[]')) return [];
  if (luaType.includes('table')) return {};
  return undefined;
}

const takesText = (luaType: string) => luaType === 'any' || luaType.split('|').includes('string');

/** Words that only an error of our own making has. */
const INTERNAL =
  /Cannot (read|set|convert)|is not (a function|iterable|defined|bound)|of undefined|Invalid (array|string) length|\[object/;
/** Said in words by the engine, for all functions. */
const TOO_DEEP = /^Maximum call stack/;

/** ms that this thread has run: what else the machine does is no measure of what a function does. */
function ran(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** ms that the function takes, each argument through its kind; what it throws must be meant for policy authors. */
async function took(declared: FunctionDeclaration, self: unknown[], values: unknown[]): Promise<number> {
  const start = ran();
  try {
    const args = declared.params.map(({ name, kind }, at) =>
      values[at] === undefined && kind.optional ? undefined : kind.parse(values[at], name, false),
    );
    const rest = values.slice(declared.params.length).map((value) => declared.rest?.parse(value, '', false));
    await declared.call([...self, ...args, ...rest], context);
  } catch (error) {
    expect(error, declared.name).toBeInstanceOf(Error);
    const { message } = error as Error;
    if (TOO_DEEP.test(message)) expect(error).toBeInstanceOf(RangeError);
    expect(message.slice(0, 500), declared.name).not.toMatch(INTERNAL);
  }
  return ran() - start;
}

/** Times the same call for a text and for longer ones, where it takes any time worth mentioning. */
async function expectLinear(name: string, call: (length: number) => Promise<number>): Promise<void> {
  const first = await call(LENGTH);
  if (first < QUICK) return;
  const longer = await call(4 * LENGTH);
  expect(longer, name).toBeLessThan(ENDLESS);
  // Once more: the first call of all is slow.
  const short = Math.max(Math.min(first, await call(LENGTH)), QUICK / 3);
  if (longer < SUSPICIOUS * short) return;
  // The better of two: collecting garbage may fall into one of them.
  const long = Math.min(await call(16 * LENGTH), await call(16 * LENGTH));
  const text = `${name}: ${short} ms, ${long} ms for 16 times the text`;
  expect(long, text).toBeLessThan(MOST_GROWTH * short);
}

async function callWithEach(
  declared: FunctionDeclaration,
  self: (text: string) => unknown[],
  shape: string,
): Promise<void> {
  const small = declared.params.map(({ name, kind }) => sample(name, kind.luaType, shape));
  if (declared.rest !== undefined) {
    await expectLinear(declared.name, (length) => took(declared, self(''), [...small, fill(shape, length)]));
  }
  for (const [at, { kind }] of declared.params.entries()) {
    if (!takesText(kind.luaType)) continue;
    await expectLinear(declared.name, (length) => {
      const text = fill(shape, length);
      return took(declared, self(text), small.with(at, text));
    });
  }
}

const MODULES = [
  'kumo.string',
  'kumo.encode',
  'kumo.digest',
  'kumo.serde',
  'kumo.regex',
  'kumo.time',
  'kumo.uuid',
  'kumo.mimepart',
  'kumo.file_type',
];
/** They read files or wait. */
const APART = /_load$|sleep|hmac/;

for (const name of MODULES) {
  const declared = luaModules
    .find((module) => module.name === name)!
    .functions.filter((fn) => !APART.test(fn.name));
  test.each(shapes)(`${name}: long texts of %s`, async (_, shape) => {
    expect(declared.length).toBeGreaterThan(0);
    for (const fn of declared) await callWithEach(fn, () => [], shape);
  });
}

const methodsOf = (name: string) => luaObjects.find((object) => object.name === name)!.methods;
const OBJECTS: readonly [string, (text: string) => unknown][] = [
  ['message', () => message()],
  ['mimepart', () => parseMime(Buffer.from('A: b\r\n\r\nx'))],
  ['mimepart_builder', () => new MimeBuilder(() => 'b')],
  ['headermap', () => new HeaderMap()],
  ['regex', () => new PolicyPattern('(a|aa)+$|[^ ]\\.')],
];

for (const [name, make] of OBJECTS) {
  test.each(shapes)(`${name}: its methods with long texts of %s`, async (_, shape) => {
    for (const fn of methodsOf(name)) await callWithEach(fn, (text) => [make(text)], shape);
  });
}

const report = (type: string, part: string, fields: string) =>
  `Content-Type: multipart/report; report-type=${type}; boundary=b\r\n\r\n--b\r\n\r\n--b\r\n` +
  `Content-Type: message/${part}\r\n\r\n${fields}\r\n--b--\r\n`;

/** Messages that hold the text in every place that a method reads. */
const CONTENTS: readonly ((line: string, text: string) => string)[] = [
  (_, text) => text,
  (line) =>
    `Subject: ${line}\r\nFrom: ${line}\r\nTo: ${line}\r\nContent-Type: ${line}\r\nX-Schedule: ${line}\r\n\r\n`,
  (line) =>
    report(
      'delivery-status',
      'delivery-status',
      `Reporting-MTA: ${line}\r\n\r\nFinal-Recipient: ${line}\r\nDiagnostic-Code: ${line}`,
    ),
  (line) => report('feedback-report', 'feedback-report', `Feedback-Type: ${line}\r\nVersion: ${line}`),
];

test.each(shapes)('message: what it holds is long texts of %s, in every place', async (_, shape) => {
  const methods = methodsOf('message').filter(({ name }) => !/dkim|arc_|save|shrink/.test(name));
  for (const content of CONTENTS) {
    for (const fn of methods) {
      const values = fn.params.map(({ name, kind }) => {
        if (name === 'name') return 'X-Schedule';
        if (name === 'checks' || name === 'fixes') return 'NEEDS_TRANSFER_ENCODING|LINE_TOO_LONG';
        return sample(name, kind.luaType, 'a/b');
      });
      await expectLinear(fn.name, (length) => {
        const text = fill(shape, length);
        return took(fn, [message(content(text.replaceAll('\r\n', '\r\n '), text))], values);
      });
    }
  }
});
