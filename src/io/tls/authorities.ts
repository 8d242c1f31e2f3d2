import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';

/** Where systems keep the certificates of their authorities in one file: Debian and Alpine, Red Hat, SUSE, the BSDs. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The authorities that this machine trusts, as PEM texts, and those of NODE_EXTRA_CA_CERTS; SSL_CERT_FILE and
 * SSL_CERT_DIR count. Empty when none is installed. Reads files; 2 ms where there is a bundle.
 */
export function systemAuthorities(): string[] {
  const installed = installedAuthorities();
  return installed.length === 0 ? [] : [...new Set([...installed, ...getCACertificates('extra')])];
}

function installedAuthorities(): string[] {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: directory } = process.env;
  // Who names a directory alone means that one.
  const bundles = file !== undefined ? [file] : directory !== undefined ? [] : BUNDLES;
  for (const path of bundles) {
    const found = bundleAt(path);
    if (found.length > 0) return found;
  }
  // Reads every file of the directory: 100 ms and more.
  return getCACertificates('system');
}

function bundleAt(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').match(PEM) ?? [];
  } catch {
    return [];
  }
}
