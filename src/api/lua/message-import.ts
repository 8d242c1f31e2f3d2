import { list, makeKind, methodsOf, optional, parseOptions, string } from '../../model/define/index.ts';
import {
  checkHeaderImports,
  type HeaderImport,
  headerImportOptions,
  importHeaders,
  type Message,
  setOwn,
} from '../../model/index.ts';
import { headersOf, headerValue, removeHeaders } from '../../protocol/mime/index.ts';
import { withData } from './message-data.ts';
import { chosen } from './message-headers.ts';

const method = methodsOf<Message>();

const spec = () =>
  makeKind<HeaderImport>('header import', 'table', (value) => parseOptions(headerImportOptions, value));

export const importMethods = {
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
  import_headers: method({
    params: { specs: list(spec()) },
    doc: "Copies headers into metadata, as each spec says: {name, match='last'|'first'|'all', transform='snake_case'|'kebab_case'|'camel_case'|'pascal_case', target, remove=false}. A name may end in `*`; the first spec that matches a header holds.",
    call: (self, { specs }) => {
      checkHeaderImports(specs);
      return withData(self, (data) => {
        const { meta, removed } = importHeaders(data, specs);
        for (const [name, value] of meta) setOwn(self.meta, name, value);
        if (meta.size > 0) self.dirty = true;
        if (removed.size > 0) self.setData(removeHeaders(data, (name) => removed.has(name.toLowerCase())));
      });
    },
  }),
};
