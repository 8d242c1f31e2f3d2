import type { EgressPathOptions, EgressSourceOptions } from '../../model/options/index.ts';

/** The part of make_egress_path that the SMTP client obeys (delivery.md 14). */
export type SmtpPathOptions = Pick<
  EgressPathOptions,
  | 'enable_tls'
  | 'opportunistic_tls_reconnect_on_failed_handshake'
  | 'remember_broken_tls'
  | 'implicit_tls'
  | 'tls_server_name'
  | 'tls_verify_certificate'
  | 'tls_verify_hostname'
  | 'tls_certificate'
  | 'tls_private_key'
  | 'tls_prefer_openssl'
  | 'openssl_cipher_list'
  | 'openssl_cipher_suites'
  | 'openssl_options'
  | 'rustls_cipher_suites'
  | 'smtp_auth_plain_username'
  | 'smtp_auth_plain_password'
  | 'allow_smtp_auth_plain_without_tls'
  | 'allow_smtp_auth_plain_without_valid_certificate'
  | 'auth_timeout'
  | 'use_lmtp'
  | 'max_recipients_per_batch'
  | 'connect_timeout'
  | 'banner_timeout'
  | 'ehlo_timeout'
  | 'starttls_timeout'
  | 'mail_from_timeout'
  | 'rcpt_to_timeout'
  | 'data_timeout'
  | 'data_dot_timeout'
  | 'rset_timeout'
  | 'enable_rset'
  | 'enable_pipelining'
  | 'ignore_8bit_checks'
>;

/** The part of make_egress_source that the SMTP client obeys (delivery.md 15). */
export type SmtpSourceOptions = Pick<EgressSourceOptions, 'name' | 'source_address'> &
  Partial<
    Pick<
      EgressSourceOptions,
      | 'socks5_proxy_server'
      | 'socks5_proxy_source_address'
      | 'socks5_proxy_username'
      | 'socks5_proxy_password'
      | 'ha_proxy_server'
      | 'ha_proxy_source_address'
      | 'ha_proxy_header_version'
    >
  >;
