import {
  defineFunction,
  defineModule,
  defineObject,
  integer,
  methodsOf,
  string,
} from '../../model/define/index.ts';
import { escapePattern, PolicyPattern } from '../../model/patterns/index.ts';

export const regexModule = defineModule(
  'kumo.regex',
  {
    doc: 'Regular expressions that take linear time, in the syntax of Rust without look-around and back-references.',
  },
  {
    compile: defineFunction({
      params: { pattern: string() },
      returns: 'regex',
      doc: 'Raises an error that names the pattern when it is invalid.',
      call: ({ pattern }) => new PolicyPattern(pattern),
    }),
    escape: defineFunction({
      params: { text: string() },
      returns: 'string',
      doc: 'A pattern that matches this text and nothing else.',
      call: ({ text }) => escapePattern(text),
    }),
  },
);

const method = methodsOf<PolicyPattern>();
const text = string();
const replacement = string();

export const regexObject = defineObject(
  'regex',
  PolicyPattern,
  { doc: 'A compiled regular expression. It matches anywhere in a text.', text: ({ source }) => source },
  {
    is_match: method({
      params: { text },
      returns: 'boolean',
      doc: 'Whether it matches.',
      call: (self, { text }) => self.isMatch(text),
    }),
    find: method({
      params: { text },
      returns: 'string?',
      doc: 'The first match.',
      call: (self, { text }) => self.find(text),
    }),
    find_all: method({
      params: { text },
      returns: 'string[]',
      doc: 'All matches.',
      call: (self, { text }) => self.findAll(text),
    }),
    captures: method({
      params: { text },
      returns: 'table<integer|string, string>?',
      doc: 'Groups of the first match by number and by name; [0] is all of it.',
      call: (self, { text }) => self.captures(text),
    }),
    replace: method({
      params: { text, replacement },
      returns: 'string',
      doc: 'Replaces the first match. $1, $name, the same in braces, and $$ may stand in the replacement.',
      call: (self, { text, replacement }) => self.replace(text, replacement, 1),
    }),
    replace_all: method({
      params: { text, replacement },
      returns: 'string',
      doc: 'As replace, all matches.',
      call: (self, { text, replacement }) => self.replace(text, replacement, 0),
    }),
    replacen: method({
      params: { text, limit: integer({ min: 0 }), replacement },
      returns: 'string',
      doc: 'As replace, the first `limit` matches; 0 is all.',
      call: (self, { text, limit, replacement }) => self.replace(text, replacement, limit),
    }),
    split: method({
      params: { text },
      returns: 'string[]',
      doc: 'The pieces between the matches, empty ones too.',
      call: (self, { text }) => self.split(text),
    }),
  },
);
