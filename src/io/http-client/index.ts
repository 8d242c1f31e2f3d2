export * from './client.ts';
export * from './multipart.ts';
export * from './websocket.ts';
