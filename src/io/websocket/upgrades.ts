import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { CLOSE, limitsOf, WebSocketConnection } from './websocket-connection.ts';

/** A connection that says nothing for so long is asked by TCP whether the peer is still there, ms. */
const KEEP_ALIVE = 60_000;
/** Of a message: the pieces it may come in, which hold memory however small they are. */
const MAX_PIECES = 1024;

/** Whether a request with an Upgrade wants to become a websocket. */
export function asksForWebSocket({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * The websockets of one HTTP server. A request that wants to become one goes through `route` as every other request
 * does, and is answered as such when it is refused; whoever it is for `accept`s it.
 */
export class Upgrades {
  readonly #server: WebSocketServer;
  readonly #waiting = new WeakMap<IncomingMessage, { socket: Duplex; head: Buffer }>();
  readonly #open = new Set<WebSocketConnection>();

  /** `maxLength` of a message, in octets. */
  constructor(
    server: Server,
    options: { maxLength: number; route: (request: IncomingMessage, response: ServerResponse) => void },
  ) {
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // What is offered is ignored.
      handleProtocols: () => false,
      maxFragments: MAX_PIECES,
      maxBufferedChunks: MAX_PIECES,
      ...limitsOf(options.maxLength),
    });
    server.on('upgrade', (request, socket, head) => {
      const response = new ServerResponse(request);
      socket.on('error', () => {});
      response.shouldKeepAlive = false;
      response.assignSocket(socket as Socket);
      // Who was refused has the answer now.
      response.on('finish', () => socket.end());
      this.#waiting.set(request, { socket, head });
      options.route(request, response);
    });
  }

  /** Why a request cannot be accepted (RFC 6455 §4.2.1); undefined when it can. */
  whyNot(request: IncomingMessage): string | undefined {
    const { headers } = request;
    if (!this.#waiting.has(request) || !asksForWebSocket(request)) {
      return 'this endpoint is a websocket, and the request does not ask for one';
    }
    if (headers['sec-websocket-version'] !== '13') return 'Sec-WebSocket-Version must be 13';
    const key = headers['sec-websocket-key'] ?? '';
    return /^[A-Za-z0-9+/]{22}==$/.test(key) ? undefined : 'no proper Sec-WebSocket-Key';
  }

  /** Answers 101 (RFC 6455 §4.2.2) and begins to read. Undefined when the client has gone. */
  accept(
    request: IncomingMessage,
    response: ServerResponse,
    onText: (text: string) => void,
  ): WebSocketConnection | undefined {
    const waiting = this.#waiting.get(request);
    if (waiting === undefined) throw new Error('no request for a websocket');
    const { socket, head } = waiting;
    this.#waiting.delete(request);
    response.detachSocket(socket as Socket);
    if (socket instanceof Socket) socket.setKeepAlive(true, KEEP_ALIVE);
    let connection = undefined as WebSocketConnection | undefined;
    // Calls back before it returns, or not at all.
    this.#server.handleUpgrade(request, socket, head, (accepted) => {
      connection = this.#opened(new WebSocketConnection(accepted, onText));
    });
    return connection;
  }

  #opened(connection: WebSocketConnection): WebSocketConnection {
    this.#open.add(connection);
    void connection.whenClosed.then(() => this.#open.delete(connection));
    return connection;
  }

  /** Takes leave of everybody; resolves when they are gone. */
  async close(): Promise<void> {
    const open = [...this.#open];
    for (const connection of open) connection.close(CLOSE.goingAway, 'the server goes away');
    await Promise.all(open.map(({ whenClosed }) => whenClosed));
  }
}
