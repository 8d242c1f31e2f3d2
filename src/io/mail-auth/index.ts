export { checkDmarc, type DmarcDisposition, type DmarcFindings, type DmarcQuestion } from './dmarc.ts';
export { checkSignatures, type SignatureFindings } from './signatures.ts';
export { checkSpf, type SpfQuestion } from './spf.ts';
