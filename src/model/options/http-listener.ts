import {
  boolean,
  cidrList,
  defineOptions,
  field,
  integer,
  keySource,
  listenAddress,
  type OptionsOf,
  string,
} from '../define/index.ts';

export const httpListenerOptions = defineOptions(
  'start_http_listener',
  { luaClass: 'kumo.HttpListenerOptions', doc: 'A port that serves the HTTP API and the metrics.' },
  {
    listen: field(listenAddress(), {
      default: '127.0.0.1:8000',
      doc: 'IP:PORT. Port 0 lets the system choose.',
    }),
    hostname: field(string(), {
      doc: 'Name for certificates and injected mail. Without it the name of the machine.',
    }),
    trusted_hosts: field(cidrList(), {
      default: ['127.0.0.1', '::1'],
      doc: 'Clients that are in the group `kumomta:http-listener-trusted-ip`, which may use all endpoints unless get_acl_definition says otherwise.',
    }),
    request_body_limit: field(integer({ min: 0 }), {
      default: 2_097_152,
      doc: 'Bytes of a request after decompression.',
    }),
    use_tls: field(boolean(), { default: false, doc: 'Serve HTTPS.' }),
    tls_certificate: field(keySource(), {
      doc: 'PEM; read again after 5 minutes. Without it a self-signed one for the host name.',
    }),
    tls_private_key: field(keySource(), { doc: 'Key of the certificate, PEM.' }),
  },
);

export type HttpListenerOptions = OptionsOf<typeof httpListenerOptions>;
