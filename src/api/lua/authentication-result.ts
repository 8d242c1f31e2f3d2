import {
  defineOptions,
  field,
  integer,
  makeKind,
  map,
  type OptionsOf,
  parseOptions,
  type RichKind,
  string,
} from '../../model/define/index.ts';
import type { AuthenticationResult } from '../../protocol/mime/index.ts';

const resultOptions = defineOptions(
  'message.add_authentication_results',
  { luaClass: 'table', doc: 'What one check found (RFC 8601).' },
  {
    method: field(string(), { required: true, doc: 'Such as dkim.' }),
    method_version: field(integer({ min: 0 }), { doc: 'Version of the method.' }),
    result: field(string(), { required: true, doc: 'Such as pass.' }),
    reason: field(string(), { doc: 'Why.' }),
    props: field(map(string()), { default: {}, doc: 'Properties such as header.d.' }),
  },
);

/** A table as in policy-api.md 4.4; an unknown field is an error. */
export function authenticationResult(): RichKind<AuthenticationResult> {
  return makeKind('authentication result', 'table', (value) => {
    const given: OptionsOf<typeof resultOptions> = parseOptions(resultOptions, value);
    return {
      method: given.method,
      result: given.result,
      ...(given.method_version !== undefined && { method_version: given.method_version }),
      ...(given.reason !== undefined && { reason: given.reason }),
      props: new Map(Object.entries(given.props)),
    };
  });
}
