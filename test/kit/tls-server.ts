import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Issued } from './certificates.ts';

export interface TlsPeer {
  port: number;
  /** Subject of each client's certificate, '' for none. */
  clients: string[];
  /** Server names that were asked for. */
  names: (string | false)[];
}

const stops: (() => void)[] = [];

/** A server that speaks TLS at once and says one line. It shows `chain`, the first its own. */
export async function tlsPeer(chain: readonly Issued[], options: TlsOptions = {}): Promise<TlsPeer> {
  const clients: string[] = [];
  const names: (string | false)[] = [];
  const sockets = new Set<TLSSocket>();
  const server = createServer(
    { key: chain[0]!.key, cert: chain.map(({ cert }) => cert).join('\n'), ...options },
    (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      clients.push(String(socket.getPeerCertificate()?.subject?.CN ?? ''));
      names.push(socket.servername ?? false);
      socket.write('hello\r\n');
    },
  );
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, clients, names };
}

/** Ends every server that was started; for afterEach. */
export function stopTlsPeers(): void {
  for (const stop of stops.splice(0)) stop();
}
