import { anyValue, defineObject, methodsOf, string } from '../../model/define/index.ts';
import { ConnectionMeta, getOwn, setOwn } from '../../model/index.ts';

const method = methodsOf<ConnectionMeta>();

export const connectionMetaObject = defineObject(
  'connection_meta',
  ConnectionMeta,
  { doc: 'Metadata of an inbound connection. All events of the session share it; messages get a copy.' },
  {
    get_meta: method({
      params: { name: string() },
      returns: 'any',
      doc: 'The value of that name, or nil.',
      call: (self, { name }) => getOwn(self.values, name) ?? null,
    }),
    auth_info: method({
      returns: 'table',
      doc: 'Who the peer has proved to be: {identities = {{identity, context}}, groups, peer_address}. A copy.',
      call: (self) => self.authInfo,
    }),
    set_meta: method({
      params: { name: string(), value: anyValue() },
      doc: 'Sets a value that JSON can hold.',
      call: (self, { name, value }) => setOwn(self.values, name, value),
    }),
  },
);
