import { boolean, list, methodsOf, optional, string } from '../../model/define/index.ts';
import type { MaybePromise, Message } from '../../model/index.ts';
import { setOwn } from '../../model/index.ts';
import {
  appendHeader,
  firstHeader,
  formatHeader,
  headersOf,
  headerValue,
  isNamed,
  prependHeader,
  removeHeaders,
} from '../../protocol/mime/index.ts';

const method = methodsOf<Message>();

/** Does something with the whole message, waiting only when it must be loaded. */
function withData<T>(message: Message, use: (data: Buffer) => T): MaybePromise<T> {
  const data = message.data();
  return Buffer.isBuffer(data) ? use(data) : data.then(use);
}

const header = { name: string(), value: string(), encode: optional(boolean(), false) };

const startsLikeX = (name: string) => name.startsWith('X-') || name.startsWith('x-');

/** Those of the names, in any case; without names those that begin with X-. */
function chosen(names: readonly string[] | undefined): (name: string) => boolean {
  if (names === undefined) return startsLikeX;
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  return (name) => wanted.has(name.toLowerCase());
}

export const headerMethods = {
  get_first_named_header_value: method({
    params: { name: string() },
    returns: 'string|nil',
    doc: 'Decoded value of the first header of the name, or nil.',
    call: (self, { name }) =>
      withData(self, (data) => {
        const field = firstHeader(data, name);
        return field === undefined ? null : headerValue(data, field);
      }),
  }),
  get_all_named_header_values: method({
    params: { name: string() },
    returns: 'string[]',
    doc: 'Decoded values of all headers of the name.',
    call: (self, { name }) =>
      withData(self, (data) => headersOf(data, isNamed(name)).map((field) => headerValue(data, field))),
  }),
  get_all_headers: method({
    returns: 'string[][]',
    doc: 'Pairs of name and decoded value of all headers.',
    call: (self) =>
      withData(self, (data) => headersOf(data).map((field) => [field.name, headerValue(data, field)])),
  }),
  prepend_header: method({
    params: header,
    doc: 'Adds a header before all others. encode: fold it, and encode what is not ASCII.',
    call: (self, { name, value, encode }) =>
      withData(self, (data) => self.setData(prependHeader(data, formatHeader(name, value, encode)))),
  }),
  append_header: method({
    params: header,
    doc: 'Adds a header after all others. encode: fold it, and encode what is not ASCII.',
    call: (self, { name, value, encode }) =>
      withData(self, (data) => self.setData(appendHeader(data, formatHeader(name, value, encode)))),
  }),
  remove_all_named_headers: method({
    params: { name: string() },
    doc: 'Removes all headers of the name.',
    call: (self, { name }) =>
      withData(self, (data) => replace(self, data, removeHeaders(data, isNamed(name)))),
  }),
  remove_x_headers: method({
    params: { names: optional(list(string())) },
    doc: 'Removes the headers of these names, or all that begin with X-.',
    call: (self, { names }) =>
      withData(self, (data) => replace(self, data, removeHeaders(data, chosen(names)))),
  }),
  import_x_headers: method({
    params: { names: optional(list(string())) },
    doc: 'Copies headers of these names, or all that begin with X-, into metadata: X-Campaign-Id is x_campaign_id.',
    call: (self, { names }) =>
      withData(self, (data) => {
        for (const field of headersOf(data, chosen(names))) {
          const value = headerValue(data, field);
          setOwn(self.meta, field.name.toLowerCase().replaceAll('-', '_'), String(value));
          self.dirty = true;
        }
      }),
  }),
};

function replace(message: Message, before: Buffer, after: Buffer): void {
  if (after !== before) message.setData(after);
}
