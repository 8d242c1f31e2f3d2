import {
  anyValue,
  bytes,
  defineFunction,
  defineModule,
  integer,
  oneOf,
  optional,
  string,
} from '../../model/define/index.ts';
import {
  replaceText,
  splitAsciiWhitespace,
  splitText,
  splitTextFromEnd,
  splitWhitespace,
  trimEnd,
  trimStart,
} from '../../model/index.ts';
import {
  normalizeSmtpResponse,
  publicSuffix,
  registrableDomain,
  renderTemplate,
} from '../../model/texts/index.ts';
import { foldText } from '../../protocol/mime/index.ts';

const text = string();
const limit = integer({ min: 0 });

export const stringModule = defineModule(
  'kumo.string',
  { doc: 'Text by literal pieces, where Lua has only patterns.' },
  {
    split: defineFunction({
      params: { text, separator: string() },
      returns: 'string[]',
      doc: 'Pieces between the separators.',
      call: ({ text, separator }) => splitText(text, separator),
    }),
    rsplit: defineFunction({
      params: { text, separator: string() },
      returns: 'string[]',
      doc: 'As split, the last piece first.',
      call: ({ text, separator }) => splitTextFromEnd(text, separator),
    }),
    splitn: defineFunction({
      params: { text, limit, separator: string() },
      returns: 'string[]',
      doc: 'At most `limit` pieces; the last holds the rest.',
      call: ({ text, limit, separator }) => splitText(text, separator, limit),
    }),
    rsplitn: defineFunction({
      params: { text, limit, separator: string() },
      returns: 'string[]',
      doc: 'As splitn, from the end.',
      call: ({ text, limit, separator }) => splitTextFromEnd(text, separator, limit),
    }),
    split_whitespace: defineFunction({
      params: { text },
      returns: 'string[]',
      doc: 'Pieces between white space, none empty.',
      call: ({ text }) => splitWhitespace(text),
    }),
    split_ascii_whitespace: defineFunction({
      params: { text },
      returns: 'string[]',
      doc: 'Pieces between white space of ASCII, none empty.',
      call: ({ text }) => splitAsciiWhitespace(text),
    }),
    replace: defineFunction({
      params: { text, from: string(), to: string() },
      returns: 'string',
      doc: 'Replaces all places.',
      call: ({ text, from, to }) => replaceText(text, from, to),
    }),
    replacen: defineFunction({
      params: { text, from: string(), to: string(), count: limit },
      returns: 'string',
      doc: 'Replaces the first `count` places.',
      call: ({ text, from, to, count }) => replaceText(text, from, to, count),
    }),
    trim: defineFunction({
      params: { text },
      returns: 'string',
      doc: 'Without white space at both ends.',
      call: ({ text }) => trimEnd(trimStart(text)),
    }),
    trim_start: defineFunction({
      params: { text },
      returns: 'string',
      doc: 'Without white space at the start.',
      call: ({ text }) => trimStart(text),
    }),
    trim_end: defineFunction({
      params: { text },
      returns: 'string',
      doc: 'Without white space at the end.',
      call: ({ text }) => trimEnd(text),
    }),
    starts_with: defineFunction({
      params: { text: bytes(), prefix: bytes() },
      returns: 'boolean',
      doc: 'Whether it begins so.',
      call: ({ text, prefix }) => text.subarray(0, prefix.length).equals(prefix),
    }),
    ends_with: defineFunction({
      params: { text: bytes(), suffix: bytes() },
      returns: 'boolean',
      doc: 'Whether it ends so.',
      call: ({ text, suffix }) =>
        text.length >= suffix.length && text.subarray(text.length - suffix.length).equals(suffix),
    }),
    wrap: defineFunction({
      params: {
        text: bytes(),
        soft: optional(integer({ min: 1 }), 75),
        hard: optional(integer({ min: 2 }), 900),
      },
      returns: 'string',
      doc: 'Folds into lines with CRLF TAB: at white space after `soft` columns, anywhere after `hard`.',
      call: ({ text, soft, hard }) => Buffer.from(foldText(text.toString('latin1'), soft, hard), 'latin1'),
    }),
    psl_domain: defineFunction({
      params: { host: string() },
      returns: 'string?',
      doc: 'The registered name of a host, by the Public Suffix List.',
      call: ({ host }) => registrableDomain(host),
    }),
    psl_suffix: defineFunction({
      params: { host: string() },
      returns: 'string?',
      doc: 'The suffix under which the name of a host was registered, by the Public Suffix List.',
      call: ({ host }) => publicSuffix(host),
    }),
    normalize_smtp_response: defineFunction({
      params: { text },
      returns: 'string',
      doc: 'A reply with times, addresses and identifiers replaced, so that equal reasons are equal texts.',
      call: ({ text }) => normalizeSmtpResponse(text),
    }),
    eval_template: defineFunction({
      params: {
        name: string(),
        source: string(),
        context: anyValue(),
        dialect: optional(oneOf('Jinja', 'Handlebars', 'Static'), 'Jinja'),
      },
      returns: 'string',
      doc: 'The text of a template. A name that ends in .html or .json decides how values are escaped.',
      call: ({ name, source, context, dialect }, { host }) =>
        renderTemplate({ name, source, dialect }, context, host.clock.now()),
    }),
  },
);
