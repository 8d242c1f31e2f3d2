export * from './aes-block.ts';
export * from './aws-signature.ts';
export * from './binary-text.ts';
export * from './digests.ts';
