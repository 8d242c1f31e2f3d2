import { createHash, type KeyObject, X509Certificate } from 'node:crypto';

/** A TLSA record (RFC 6698 §2.1). */
export interface TlsaRecord {
  usage: number;
  selector: number;
  matchingType: number;
  data: Buffer;
}

/** RFC 7218: the usages that mail knows (RFC 7672 §3.1). */
export const DANE_TA = 2;
export const DANE_EE = 3;

/** Whether mail can use the record: usage 2 or 3, with a selector and a matching type that are known. */
export function isUsableTlsa({ usage, selector, matchingType, data }: TlsaRecord): boolean {
  if (usage !== DANE_TA && usage !== DANE_EE) return false;
  if (selector !== 0 && selector !== 1) return false;
  switch (matchingType) {
    case 0:
      return data.length > 0;
    case 1:
      return data.length === 32;
    case 2:
      return data.length === 64;
    default:
      return false;
  }
}

/** Whether the record is about this certificate (RFC 6698 §2.1). */
export function matchesTlsa(record: TlsaRecord, certificate: X509Certificate): boolean {
  const selected = record.selector === 0 ? certificate.raw : subjectPublicKeyInfo(certificate.publicKey);
  switch (record.matchingType) {
    case 0:
      return record.data.equals(selected);
    case 1:
      return record.data.equals(createHash('sha256').update(selected).digest());
    case 2:
      return record.data.equals(createHash('sha512').update(selected).digest());
    default:
      return false;
  }
}

/** The certificate that a record holds as a whole, which the server then need not send. */
export function certificateOf(record: TlsaRecord): X509Certificate | undefined {
  if (record.selector !== 0 || record.matchingType !== 0) return undefined;
  try {
    return new X509Certificate(record.data);
  } catch {
    return undefined;
  }
}

function subjectPublicKeyInfo(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}
