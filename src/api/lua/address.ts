import { type BoundClass, defineObject } from '../../model/define/index.ts';
import { EnvelopeAddress } from '../../protocol/smtp/index.ts';

// Its constructor is private: addresses come from parse.
const addressClass = EnvelopeAddress as unknown as BoundClass<EnvelopeAddress>;

export const addressObject = defineObject('address', addressClass, {
  doc: 'An address of the envelope. It is read only.',
  fields: {
    user: {
      luaType: 'string',
      doc: "Local part without quotes; '' for the null sender.",
      get: (self) => self.user,
    },
    domain: {
      luaType: 'string',
      doc: "As it was given; '' for the null sender and Postmaster.",
      get: (self) => self.domain,
    },
    email: {
      luaType: 'string',
      doc: "The whole address; '' for the null sender.",
      get: (self) => self.email,
    },
  },
  text: (self) => self.email,
});
