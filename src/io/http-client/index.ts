export * from './client.ts';
export * from './multipart.ts';
