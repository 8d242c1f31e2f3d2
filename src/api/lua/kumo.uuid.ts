import { randomBytes } from 'node:crypto';
import { defineFunction, defineModule, defineObject, string } from '../../model/define/index.ts';
import { parseUuid, Uuid, uuidV1, uuidV4, uuidV6, uuidV7 } from '../../protocol/uuid/index.ts';

const fresh = (doc: string, make: (now: number) => Uuid) =>
  defineFunction({ returns: 'uuid', doc, call: (_, { host }) => make(host.clock.now()) });

export const uuidModule = defineModule(
  'kumo.uuid',
  { doc: 'Unique identifiers of RFC 9562.' },
  {
    new_v1: fresh('A new one from time and node.', (now) => uuidV1(now, randomBytes(8))),
    new_v4: fresh('A new random one.', () => uuidV4(randomBytes(16))),
    new_v6: fresh('As new_v1, in an order that sorts by time.', (now) => uuidV6(now, randomBytes(8))),
    new_v7: fresh('A new one from time and random bits, which sorts by time.', (now) =>
      uuidV7(now, randomBytes(16)),
    ),
    parse: defineFunction({
      params: { text: string() },
      returns: 'uuid',
      doc: 'One that is written in any of the usual forms.',
      call: ({ text }) => {
        const uuid = parseUuid(text);
        if (uuid === undefined) throw new Error(`'${text}' is no UUID`);
        return uuid;
      },
    }),
  },
);

const form = (doc: string, get: (self: Uuid) => unknown) => ({ luaType: 'string', doc, get });

export const uuidObject = defineObject('uuid', Uuid, {
  doc: 'A unique identifier. tostring gives the hyphenated form.',
  fields: {
    bytes: form('Its 16 bytes.', (self) => self.bytes),
    hyphenated: form('8-4-4-4-12 digits.', (self) => self.hyphenated),
    simple: form('32 digits.', (self) => self.simple),
    braced: form('Hyphenated, in braces.', (self) => `{${self.hyphenated}}`),
    urn: form('As a URN.', (self) => `urn:uuid:${self.hyphenated}`),
  },
  operators: {
    __eq: (a, b) => a instanceof Uuid && b instanceof Uuid && a.bytes.equals(b.bytes),
  },
  text: (self) => self.hyphenated,
});
