export * from './field-template.ts';
export * from './file-kinds.ts';
export * from './positions.ts';
export * from './public-suffix.ts';
export * from './smtp-response.ts';
export * from './templates.ts';
export * from './toml.ts';
export * from './yaml.ts';
