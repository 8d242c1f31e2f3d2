export * from './canonical-body.ts';
export * from './canonical-header.ts';
export * from './header-selection.ts';
export * from './sent-form.ts';
export * from './signature-field.ts';
export * from './signer.ts';
export * from './signing-key.ts';
