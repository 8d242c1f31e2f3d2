export * from './proxy-header.ts';
export * from './socks5.ts';
