import { type Difference, decided, extension } from './difference.ts';

/** Who may use the HTTP listeners, and the log of it. */
export const accessDifferences: readonly Difference[] = [
  decided(
    'behaviour',
    'identity of a bearer token',
    'Where http_server_validate_auth_bearer only says true, the client goes by `sha256:` and 16 digits of a hash of the token, in metadata, records and refusals: the token is a secret.',
  ),
  decided(
    'behaviour',
    'errors of http_server_validate_auth_basic and _bearer',
    'Are not kept for 60 s: the next request asks again. What was said before a change of the policy does not count after it.',
  ),
  decided('behaviour', 'HEAD over HTTP', 'Needs the privilege GET, as it gives less than GET does.'),
  decided('function', 'kumo.aaa.set_acl_cache_ttl', 'Default 300 ms, as is that of set_check_cache_ttl.'),
  decided(
    'behaviour',
    'audit log that cannot be written',
    'While back_pressure records wait, requests are answered 503: what cannot be written down is not done.',
  ),
  decided(
    'behaviour',
    'resources of requests',
    'Are made of the path of the endpoint that answers, however the request spells it; of the path as it came where there is none.',
  ),
  decided(
    'behaviour',
    'the spool is not accepting writes',
    'Is not said, neither to SMTP clients nor over HTTP: each message that cannot be written is answered for itself (452; the recipient among failed_recipients), and the next one is tried.',
  ),
  decided(
    'endpoint',
    'GET /rapidoc',
    'Shows every endpoint and tries none: the page has no program, which would have to be loaded from elsewhere. What reads OpenAPI reads /api-docs/openapi.json or `--dump-openapi-spec`.',
  ),
  decided(
    'behaviour',
    'peer_address of an auth-info table',
    'Is not taken over: the address of the peer stays the one it has. Identities and groups are.',
  ),
  decided(
    'behaviour',
    'audit log files',
    'Their names end in milliseconds; requests that are refused before anybody asks who sent them (no valid Host, unreadable headers) are not in them.',
  ),
  extension(
    'behaviour',
    'browsers and the HTTP API',
    'What a browser sends for a page of another site, and what it sends to a name that is not that of the server, is answered 403 unless it is GET: a browser on a trusted host does what any page says. A request with two Host headers, or one that is no name, is answered 400.',
  ),
  extension(
    'behaviour',
    'limits of HTTP connections',
    'Each shard takes 4,096 connections per listener, 3,072 of them from addresses that are not trusted. Headers may take 15 s to arrive. Four answers are compressed at a time; others are sent as they are meanwhile.',
  ),
];
