import { type Difference, decided, extension } from './difference.ts';

/** Where connections to receivers are not as those of KumoMTA. */
export const deliveryDifferences: readonly Difference[] = [
  decided(
    'behaviour',
    'broken TLS under OpportunisticInsecure',
    'A failed handshake leaves no usable socket, so Moonpost dials the same host again and sends in clear. KumoMTA goes on with the same socket.',
  ),
  decided(
    'option',
    'make_egress_path.tls_prefer_openssl',
    'Node has one TLS library, OpenSSL, so the openssl_* options hold without it. Where rustls_cipher_suites is given too, it says which of the two lists of ciphers counts.',
  ),
  decided(
    'option',
    'make_egress_path.remember_broken_tls',
    'Each shard remembers for itself, the 10,000 ready queues used last.',
  ),
  decided(
    'option',
    'make_egress_path.openssl_options',
    'Come on top of the options that the library has set; KumoMTA clears those first. Names of options that OpenSSL 3 no longer has are errors.',
  ),
  decided(
    'option',
    'make_egress_path.rustls_cipher_suites',
    'Are the same suites of OpenSSL; the nine that rustls has by default are known.',
  ),
  decided(
    'behaviour',
    'who vouches for servers',
    'The authorities of the system and of NODE_EXTRA_CA_CERTS. Where none is installed, those that come with Node, and one ERROR that names the package.',
  ),
  decided(
    'behaviour',
    'AUTH PLAIN to a peer',
    'Goes only where it is offered, and only with a password; else the address fails with a text that says why. A certificate that is right counts as proved in the insecure modes too. One line end after the password is left out.',
  ),
  decided(
    'behaviour',
    'client certificates that do not fit their key',
    'Fail the address with a text that names the options. Ones that cannot be read are left out, with one WARN.',
  ),
  extension(
    'option',
    'make_egress_path.implicit_tls',
    'TLS from the first octet on, as submission servers want it on port 465.',
  ),
  extension(
    'option',
    'make_egress_path.tls_server_name',
    'The name of the server where that in DNS is not the one in its certificate.',
  ),
  extension(
    'option',
    'make_egress_path.tls_verify_certificate',
    'One of two switches that enable_tls joins.',
  ),
  extension('option', 'make_egress_path.tls_verify_hostname', 'One of two switches that enable_tls joins.'),
  decided(
    'option',
    'make_egress_path.data_dot_timeout',
    'Begins with the body, which has data_timeout in addition; in KumoMTA it begins when the body is sent.',
  ),
  decided(
    'behaviour',
    'text of the watchdog',
    'After `dispatcher watchdog aborted task; ` it says for how long there was no progress; KumoMTA says phase, session and age.',
  ),
  decided(
    'log_field',
    'size',
    'Is that of the message in every record; KumoMTA says 0 when the body is not in memory.',
  ),
  extension('log_field', 'session_delivery', 'Tells connections that were used again from new ones.'),
  extension('log_field', 'tls_resumed', 'Tells resumed TLS sessions from full handshakes.'),
];
