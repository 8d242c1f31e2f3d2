import { X509Certificate } from 'node:crypto';
import { generate } from 'selfsigned';

/** A certificate with its key, as PEM texts. */
export interface Issued {
  key: string;
  cert: string;
  /** DER. */
  der: Buffer;
}

export interface IssueOptions {
  /** Common name, and DNS name unless `dns` says otherwise. */
  name: string;
  dns?: string[];
  isAuthority?: boolean;
  /** Of an authority: how many others may come between it and a server. */
  pathLength?: number;
  /** Without it, the certificate is for any purpose. */
  purpose?: 'clientAuth' | 'serverAuth';
  /** Self-signed without. */
  by?: Issued;
  notBefore?: Date;
  notAfter?: Date;
}

/** Makes a certificate over an elliptic curve. */
export async function issue(options: IssueOptions): Promise<Issued> {
  const { name, isAuthority = false, by } = options;
  const dns = options.dns ?? (isAuthority ? [] : [name]);
  const made = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...(options.notBefore !== undefined && { notBeforeDate: options.notBefore }),
    ...(options.notAfter !== undefined && { notAfterDate: options.notAfter }),
    ...(by !== undefined && { ca: { key: by.key, cert: by.cert } }),
    extensions: [
      {
        name: 'basicConstraints',
        cA: isAuthority,
        critical: true,
        ...(options.pathLength !== undefined && { pathLenConstraint: options.pathLength }),
      },
      ...(options.purpose === undefined ? [] : [{ name: 'extKeyUsage' as const, [options.purpose]: true }]),
      ...(dns.length === 0
        ? []
        : [{ name: 'subjectAltName' as const, altNames: dns.map((value) => ({ type: 2 as const, value })) }]),
    ],
  });
  return { key: made.private, cert: made.cert, der: new X509Certificate(made.cert).raw };
}

/** A root, an authority below it, and what that signed for `mx.test`. */
export async function issueChain(name = 'mx.test'): Promise<{ root: Issued; middle: Issued; own: Issued }> {
  const root = await issue({ name: 'Test Root', isAuthority: true });
  const middle = await issue({ name: 'Test Authority', isAuthority: true, by: root });
  return { root, middle, own: await issue({ name, by: middle }) };
}
