import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { acceptOfKey, CLOSE } from '../../protocol/websocket/index.ts';
import { WebSocketConnection } from './websocket-connection.ts';

/** A connection that says nothing for so long is asked by TCP whether the peer is still there, ms. */
const KEEP_ALIVE = 60_000;

/**
 * The websockets of one HTTP server. A request that wants to become one goes through `route` as every other request
 * does, and is answered as such when it is refused; whoever it is for `accept`s it.
 */
export class Upgrades {
  readonly #waiting = new WeakMap<IncomingMessage, { socket: Duplex; head: Buffer }>();
  readonly #open = new Set<WebSocketConnection>();

  constructor(server: Server, route: (request: IncomingMessage, response: ServerResponse) => void) {
    server.on('upgrade', (request, socket, head) => {
      const response = new ServerResponse(request);
      socket.on('error', () => {});
      response.shouldKeepAlive = false;
      response.assignSocket(socket as Socket);
      // Who was refused has the answer now.
      response.on('finish', () => socket.end());
      this.#waiting.set(request, { socket, head });
      route(request, response);
    });
  }

  /** Whether a request is one that can be accepted. */
  awaits(request: IncomingMessage): boolean {
    return this.#waiting.has(request);
  }

  /** Answers 101 (RFC 6455 §4.2.2) and begins to read. `maxLength` of a message, in octets. */
  accept(
    request: IncomingMessage,
    response: ServerResponse,
    options: { maxLength: number; onText: (text: string) => void },
  ): WebSocketConnection {
    const waiting = this.#waiting.get(request);
    if (waiting === undefined) throw new Error('no request for a websocket');
    const { socket, head } = waiting;
    this.#waiting.delete(request);
    response.detachSocket(socket as Socket);
    if (socket instanceof Socket) socket.setKeepAlive(true, KEEP_ALIVE).setNoDelay(true);
    const answer = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${acceptOfKey(request.headers['sec-websocket-key']!)}`,
    ];
    socket.write(`${answer.join('\r\n')}\r\n\r\n`);
    const connection = new WebSocketConnection(socket, { role: 'server', maxLength: options.maxLength });
    this.#open.add(connection);
    void connection.whenClosed.then(() => this.#open.delete(connection));
    connection.receive(head, options.onText);
    return connection;
  }

  /** Takes leave of everybody; resolves when they are gone. */
  async close(): Promise<void> {
    const open = [...this.#open];
    for (const connection of open) connection.close(CLOSE.goingAway, 'the server goes away');
    await Promise.all(open.map(({ whenClosed }) => whenClosed));
  }
}
