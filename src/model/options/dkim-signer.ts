import {
  boolean,
  defineOptions,
  duration,
  field,
  integer,
  keySource,
  list,
  type OptionsOf,
  oneOf,
  string,
} from '../define/index.ts';

const canonicalization = () => oneOf('Relaxed', 'Simple');

export const dkimSignerOptions = defineOptions(
  'dkim.rsa_sha256_signer',
  { luaClass: 'kumo.DkimSignerOptions', doc: 'How messages are signed with DKIM, and with which key.' },
  {
    domain: field(string(), {
      required: true,
      doc: 'Domain that signs (`d=`), usually that of the From header.',
    }),
    selector: field(string(), {
      required: true,
      doc: 'Names the public key (`s=`): the TXT record of SELECTOR._domainkey.DOMAIN.',
    }),
    headers: field(list(string()), {
      required: true,
      doc: 'Names of the headers to sign, From among them; a name that stands twice signs two headers. One that the message lacks is signed as absent.',
    }),
    key: field(keySource(), {
      required: true,
      doc: 'Private key: RSA of 1024 bits or more (PKCS #1 or #8) or Ed25519 (PKCS #8), PEM or DER. It decides about the algorithm.',
    }),
    header_canonicalization: field(canonicalization(), {
      default: 'Relaxed',
      doc: 'Relaxed: changes of white space and folds on the way do no harm.',
    }),
    body_canonicalization: field(canonicalization(), {
      default: 'Relaxed',
      doc: 'Relaxed: changes of white space within lines and at their ends do no harm.',
    }),
    expiration: field(integer({ min: 1 }), {
      doc: 'Seconds after which the signature is no longer good (`x=`); without it there is no end.',
    }),
    over_sign: field(boolean(), {
      default: false,
      doc: 'Signs all headers of each name, and that there is no further one, so that nobody can add any.',
    }),
    ttl: field(duration(), {
      default: 300,
      doc: 'How long the key is kept in memory. A new configuration epoch reads it again in any case.',
    }),
  },
);

export type DkimSigningOptions = OptionsOf<typeof dkimSignerOptions>;
