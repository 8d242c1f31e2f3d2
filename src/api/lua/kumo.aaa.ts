import {
  AccessControlList,
  AccessMap,
  AccessResource,
  accessControl,
  httpResource,
  parseAccessFile,
  readAccessRules,
  readAuthInfo,
  resourceNamed,
} from '../../model/access/index.ts';
import {
  anyOf,
  anyValue,
  boolean,
  type CallContext,
  defineFunction,
  defineModule,
  defineObject,
  duration,
  instanceOf,
  type KeySource,
  keySource,
  methodsOf,
  optionsArgument,
  type RichKind,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { accountingLogOptions } from '../../model/options/index.ts';
import { loadKey } from './key-source.ts';
import { warnLater } from './later.ts';

/** A setting of access control that the coordinator hands to the shards. */
function setting(name: string, kind: RichKind<unknown>, doc: string): UnnamedFunction {
  return defineFunction({
    params: { value: kind },
    doc: `${doc} Call it in the event \`pre_init\` or \`init\`; a change holds after a restart.`,
    call: ({ value }, { host, where }) =>
      host.declare({ kind: `aaa.${name}`, options: value, where: where() }),
  });
}

async function loadMap(source: KeySource, context: CallContext): Promise<AccessMap> {
  const text = Buffer.from(await loadKey(source, context)).toString();
  try {
    return parseAccessFile(text);
  } catch (error) {
    throw new Error(`${source.from === 'file' ? `${source.path}: ` : ''}${(error as Error).message}`);
  }
}

export const aaaModule = defineModule(
  'kumo.aaa',
  { doc: 'Who may do what: access control lists, and the log of what was decided.' },
  {
    make_access_control_list: defineFunction({
      params: { rules: anyValue() },
      returns: 'access_control_list',
      doc:
        "What get_acl_definition returns, of a list of rules `{criteria = ..., privilege = 'GET', access = 'Allow'}`; access may be " +
        "`'Deny'`. criteria are `{Identity = {Individual = NAME}}`, or one with Group, Machine (an IP address), MachineSet (a list of " +
        'blocks), `Any = {}`, `Authenticated = {}` or `Unauthenticated = {}`; `{AllOf = {...}}`, `{AnyOf = {...}}`, `{Not = ...}` join them. ' +
        'The first rule whose criteria and privilege match decides.',
      call: ({ rules }) => new AccessControlList(readAccessRules(rules, 'rules')),
    }),
    load_acl_map: defineFunction({
      params: { source: keySource() },
      returns: 'access_control_map',
      doc:
        'Rules by resource, of a file of TOML: `[[acl."http_listener/*/api/admin"]]` with `allow`, `privileges`, and ' +
        '`identity.Group = "NAME"` (or another identity) or `criteria`. `map:get(resource)` gives what get_acl_definition returns.',
      call: ({ source }, context) => loadMap(source, context),
    }),
    make_http_url_resource: defineFunction({
      params: { listener: string(), url: string() },
      returns: 'access_resource',
      doc: "The resource of a URL on the HTTP listener `'IP:PORT'`, for query_resource_access.",
      call: ({ listener, url }) => httpResource(listener, url),
    }),
    query_resource_access: defineFunction({
      params: {
        resource: anyOf(string(), instanceOf(AccessResource, 'access_resource')),
        auth_info: anyValue(),
        privilege: string(),
      },
      returns: 'table',
      doc:
        'Whether somebody may do something, as the HTTP listeners decide it: `{allow, rule, resource}`. Without rule and resource ' +
        'no rule is about it. auth_info is as in http_message_generated.',
      call: async ({ resource, auth_info, privilege }, context) => {
        const asked = typeof resource === 'string' ? resourceNamed(resource) : resource;
        const who = readAuthInfo(auth_info, 'auth_info');
        const verdict = await accessControl(context.host).decide(asked, who, privilege, context.fire);
        return { allow: verdict.allow, rule: verdict.rule, resource: verdict.resource };
      },
    }),
    configure_acct_log: defineFunction({
      params: { options: optionsArgument(accountingLogOptions) },
      doc: 'Writes who asked what of the HTTP listeners to files. In the event `init`, once.',
      call: ({ options: given }, context) => {
        const kind = accountingLogOptions.owner;
        if (context.event !== undefined && context.host.declared?.(kind) !== undefined) {
          throw new Error('there is an audit log already');
        }
        warnLater(context, kind, given.later);
        context.host.declare({ kind, options: given.options, where: context.where() });
      },
    }),
    set_acl_cache_ttl: setting(
      'set_acl_cache_ttl',
      duration(),
      'How long the rules of a resource are kept before get_acl_definition is asked again; default 300 ms.',
    ),
    set_check_cache_ttl: setting(
      'set_check_cache_ttl',
      duration(),
      'How long a decision is kept for the same client and endpoint; default 300 ms.',
    ),
    set_fall_back_to_acl_map: setting(
      'set_fall_back_to_acl_map',
      boolean(),
      'Whether the built-in rules hold for resources of which get_acl_definition says nothing; default true.',
    ),
  },
);

export const accessControlListObject = defineObject('access_control_list', AccessControlList, {
  doc: 'What kumo.aaa.make_access_control_list gives. It may be memoized.',
});

export const accessResourceObject = defineObject('access_resource', AccessResource, {
  doc: 'What kumo.aaa.make_http_url_resource gives.',
  text: (self) => self.name,
});

const method = methodsOf<AccessMap>();

export const accessMapObject = defineObject(
  'access_control_map',
  AccessMap,
  { doc: 'What kumo.aaa.load_acl_map gives. It may be memoized.' },
  {
    get: method({
      params: { resource: string() },
      returns: 'access_control_list|nil',
      doc: 'The rules of a resource; nil when there are none.',
      call: (self, { resource }) => self.get(resource),
    }),
  },
);
