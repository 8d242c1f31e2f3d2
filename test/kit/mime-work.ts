import {
  AddressHeader,
  appendTextPlain,
  CONFORMANCE_LABELS,
  conformanceIssues,
  firstHeader,
  fixConformance,
  HeaderLine,
  headersOf,
  headerValue,
  parseMime,
  removeHeaders,
  simpleStructure,
  structuredLine,
} from '../../src/protocol/mime/index.ts';

/** What a policy may ask of a message, each as one call. */
export const MIME_WORK: Readonly<Record<string, (message: Buffer) => unknown>> = {
  parse: (message) => parseMime(message).bytes,
  body: (message) => simpleStructure(parseMime(message)).text_part?.body,
  issues: conformanceIssues,
  fix: (message) => fixConformance(message, CONFORMANCE_LABELS, { now: 0, messageId: 'a@b.example' }),
  append: (message) => {
    const root = parseMime(message);
    appendTextPlain(root, 'one line more');
    return root.bytes;
  },
  'all headers': (message) => headersOf(message).map((field) => headerValue(message, field)),
  'one header': (message) => firstHeader(message, 'x-missing'),
  'remove headers': (message) => removeHeaders(message, () => true),
  addresses: (message) => {
    const field = firstHeader(message, 'to');
    if (field === undefined) return undefined;
    const list = HeaderLine.at(message, field).addressList;
    return [new AddressHeader('To', list).toString(), structuredLine('To', 'address_list', list)];
  },
};
