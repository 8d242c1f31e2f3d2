import { defineObject } from '../../model/define/index.ts';
import { AddressHeader, HeaderAddress } from '../../protocol/mime/index.ts';

const field = (doc: string, get: (self: HeaderAddress) => string | null, luaType = 'string') => ({
  luaType,
  doc,
  get,
});

export const headerAddressObject = defineObject('header_address', HeaderAddress, {
  doc: 'One address of a header. tostring gives JSON.',
  fields: {
    user: field('Local part without quotes.', (self) => self.user),
    domain: field('Domain.', (self) => self.domain),
    email: field('The address, quoted where it needs to be.', (self) => self.email),
    name: field('Display name, or nil.', (self) => self.name, 'string|nil'),
  },
  text: (self) => self.toString(),
});

const single = (doc: string, get: (self: HeaderAddress) => string | null, luaType = 'string') => ({
  luaType,
  doc,
  get: (self: AddressHeader) => get(self.single),
});

export const addressHeaderObject = defineObject('address_header', AddressHeader, {
  doc: 'The addresses of a header such as From. user, domain, email and name raise unless it holds one plain address.',
  fields: {
    user: single('Local part without quotes.', (address) => address.user),
    domain: single('Domain.', (address) => address.domain),
    email: single('The address, quoted where it needs to be.', (address) => address.email),
    name: single('Display name, or nil.', (address) => address.name, 'string|nil'),
    list: {
      luaType: 'header_address[]',
      doc: 'All addresses, those of groups among the others.',
      get: (self) => self.list,
    },
  },
  text: (self) => self.toString(),
});
