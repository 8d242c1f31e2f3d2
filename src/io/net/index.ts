export * from './dial.ts';
export * from './listen.ts';
export { proxiedDial } from './proxied-dial.ts';
export * from './reserve-port.ts';
export * from './socket-transport.ts';
export { checkIdentity } from './tls-acceptor.ts';
export { checkClientSettings } from './tls-connector.ts';
