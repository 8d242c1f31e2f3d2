import { defineEvent } from '../define/index.ts';

export const httpEvents = [
  defineEvent({
    name: 'http_message_generated',
    args: { message: 'message', auth_info: 'table' },
    when: 'A message was made by the injection API, before it is kept.',
    often: 'Once per recipient.',
    persisted: 'Everything it sets is kept with the message.',
    failure: 'That recipient fails; the others go on.',
    doc: 'As smtp_server_message_received, for HTTP. `auth_info` has peer_address, identities and groups.',
  }),
  defineEvent({
    name: 'http_server_validate_auth_basic',
    args: { user: 'string', password: 'string|nil' },
    returns: 'boolean|table',
    when: 'A request has a user and password.',
    often: 'Once a minute for each pair.',
    persisted: 'Nothing.',
    failure: 'The request is answered 500, and the next one asks again.',
    doc:
      'Returns whether the password is right, or a table with `identities` (a list of `{identity, context}`) and `groups`, which ' +
      'the request has then. password is nil when there is none. Without a handler the password is wrong. A new policy is asked anew.',
  }),
  defineEvent({
    name: 'http_server_validate_auth_bearer',
    args: { token: 'string' },
    returns: 'boolean|table',
    when: 'A request has a bearer token.',
    often: 'Once a minute for each token.',
    persisted: 'Nothing.',
    failure: 'The request is answered 500, and the next one asks again.',
    doc:
      'Returns whether the token is right, or a table as http_server_validate_auth_basic does. Who has no name so goes by ' +
      '`sha256:` and a hash of the token. Without a handler the token is wrong.',
  }),
  defineEvent({
    name: 'get_acl_definition',
    multiple: true,
    args: { resource: 'string' },
    returns: 'access_control_list|nil',
    when: 'Access to an endpoint is decided.',
    often:
      'For each resource above the endpoint, from the nearest outward until a rule decides; again when 300 ms are over.',
    persisted: 'Nothing.',
    failure: 'The request is answered 500.',
    doc:
      'Returns who may do what, made with kumo.aaa.make_access_control_list; it takes the place of the built-in rules of that ' +
      'resource. Without an answer those hold. Resources of `/a/b` on `127.0.0.1:8000` are http_listener/127.0.0.1:8000/a/b, ' +
      'http_listener/127.0.0.1:8000/a, http_listener/127.0.0.1:8000, http_listener/*/a/b, http_listener/*/a and http_listener. ' +
      'Privileges are the methods of HTTP.',
  }),
  defineEvent({
    name: 'xfer_message_received',
    args: { message: 'message', auth_info: 'table' },
    when: 'Another node handed a message over.',
    often: 'Once per message.',
    persisted: 'Everything it sets is kept with the message.',
    failure: 'The transfer is answered with an error; the sender tries again.',
    doc: 'As smtp_server_message_received, for transfers.',
  }),
];
