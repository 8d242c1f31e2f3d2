export * from './address.ts';
export * from './command.ts';
export * from './data-reader.ts';
export * from './dot-stuffing.ts';
export * from './line-endings.ts';
export * from './reply.ts';
export * from './reply-parser.ts';
export * from './xclient.ts';
