import {
  boolean,
  list,
  methodsOf,
  optional,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import type { Message } from '../../model/index.ts';
import {
  AddressHeader,
  appendHeader,
  firstHeader,
  formatAuthenticationResults,
  formatHeader,
  HeaderLine,
  headersOf,
  headerValue,
  isNamed,
  prependHeader,
  removeHeaders,
} from '../../protocol/mime/index.ts';
import { authenticationResult } from './authentication-result.ts';
import { withData } from './message-data.ts';

const method = methodsOf<Message>();

const header = { name: string(), value: string(), encode: optional(boolean(), false) };

const startsLikeX = (name: string) => name.startsWith('X-') || name.startsWith('x-');

/** Those of the names, in any case; without names those that begin with X-. */
export function chosen(names: readonly string[] | undefined): (name: string) => boolean {
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
  from_header: addressMethod(
    'From',
    'The addresses of the From header, or nil. Raises when it cannot be parsed.',
  ),
  to_header: addressMethod('To', 'The addresses of the To header, or nil. Raises when it cannot be parsed.'),
  get_address_header: method({
    params: { name: string() },
    returns: 'address_header|nil',
    doc: 'The addresses of the first header of the name, or nil. Raises when it cannot be parsed.',
    call: (self, { name }) => withData(self, (data) => addressHeader(data, name)),
  }),
  add_authentication_results: method({
    params: { server_id: string(), results: list(authenticationResult()) },
    doc: 'Adds an Authentication-Results header before all others.',
    call: (self, { server_id, results }) =>
      withData(self, (data) => {
        const value = formatAuthenticationResults({ serv_id: server_id, results });
        self.setData(prependHeader(data, formatHeader('Authentication-Results', value)));
      }),
  }),
};

function addressMethod(name: string, doc: string): UnnamedFunction {
  return method({
    returns: 'address_header|nil',
    doc,
    call: (self) => withData(self, (data) => addressHeader(data, name)),
  });
}

function addressHeader(data: Buffer, name: string): AddressHeader | null {
  const field = firstHeader(data, name);
  if (field === undefined) return null;
  const line = HeaderLine.at(data, field);
  return new AddressHeader(line.name, line.addressList);
}

function replace(message: Message, before: Buffer, after: Buffer): void {
  if (after !== before) message.setData(after);
}
