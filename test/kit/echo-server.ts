import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An HTTP server that tells what it was asked, as JSON; `/status/404` answers with that code, `/octets` with bytes. */
export async function startEchoServer(): Promise<{ url: string; stop(): void }> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => answer(request, Buffer.concat(pieces), response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const path = request.url ?? '/';
  if (path === '/silent') return;
  const status = /^\/status\/(\d+)/.exec(path);
  response.writeHead(status === null ? 200 : Number(status[1]), {
    'Content-Type': 'application/json',
    'X-Echo': 'Yes',
  });
  if (path === '/octets') return void response.end(Buffer.from([0x68, 0x69, 0xff, 0]));
  response.end(
    JSON.stringify({ method: request.method, path, headers: request.headers, body: body.toString('latin1') }),
  );
}
