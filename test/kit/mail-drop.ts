import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { eventually } from './eventually.ts';

export interface Dropped {
  /** Monotonic ms when the end of the data had come. */
  at: number;
  connection: number;
  sender: string;
  recipients: string[];
  body: string;
}

export interface MailDropOptions {
  port?: number;
  /** Replies to RCPT; undefined accepts. */
  rcpt?: (address: string) => string | undefined;
  /** Replies to the end of the data; undefined accepts. */
  data?: (message: Dropped) => string | undefined;
  /** The reply to the end of the data waits for this. */
  hold?: (message: Dropped) => Promise<unknown>;
  /** Replies in place of the greeting, and closes. */
  greeting?: string;
}

const drops = new Set<MailDrop>();

/**
 * A receiving server that remembers who came when. Its own simple reading of SMTP, so that what it saw does not
 * depend on code of ours. A connection counts as open from its acceptance to its QUIT or end.
 */
export class MailDrop {
  readonly port: number;
  /** Accepted messages, in order. */
  readonly messages: Dropped[] = [];
  /** Monotonic ms of each connection. */
  readonly connections: number[] = [];
  openNow = 0;
  mostOpen = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #options: MailDropOptions;

  private constructor(server: Server, options: MailDropOptions) {
    this.#server = server;
    this.#options = options;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static async start(options: MailDropOptions = {}): Promise<MailDrop> {
    const server = createServer();
    server.listen(options.port ?? 0, '127.0.0.1');
    await once(server, 'listening');
    const drop = new MailDrop(server, options);
    drops.add(drop);
    return drop;
  }

  /** Stops every server that was started; for afterEach. */
  static async stopAll(): Promise<void> {
    const all = [...drops];
    drops.clear();
    for (const drop of all) await drop.stop();
  }

  /** Waits until that many messages have come. */
  async until(count: number): Promise<void> {
    await eventually(() => (this.messages.length >= count ? true : undefined), {
      what: () => `${this.messages.length} of ${count} messages came`,
    });
  }

  /** Waits until nobody is connected. */
  async untilClosed(): Promise<void> {
    await eventually(() => (this.openNow === 0 ? true : undefined), {
      what: () => `${this.openNow} connections are open`,
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  #accept(socket: Socket): void {
    this.connections.push(performance.now());
    this.openNow += 1;
    this.mostOpen = Math.max(this.mostOpen, this.openNow);
    this.#sockets.add(socket);
    let counted = true;
    const leave = (): void => {
      if (counted) this.openNow -= 1;
      counted = false;
    };
    const conversation = new Conversation(
      socket,
      this.connections.length - 1,
      this.#options,
      this.messages,
      leave,
    );
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text) => conversation.receive(String(text)));
    socket.on('error', () => {});
    socket.on('close', () => {
      leave();
      this.#sockets.delete(socket);
    });
  }
}

class Conversation {
  readonly #socket: Socket;
  readonly #connection: number;
  readonly #options: MailDropOptions;
  readonly #messages: Dropped[];
  readonly #leave: () => void;
  #input = '';
  #sender = '';
  #recipients: string[] = [];
  #inData = false;
  #busy = false;

  constructor(
    socket: Socket,
    connection: number,
    options: MailDropOptions,
    messages: Dropped[],
    leave: () => void,
  ) {
    this.#socket = socket;
    this.#connection = connection;
    this.#options = options;
    this.#messages = messages;
    this.#leave = leave;
    if (options.greeting === undefined) this.#say('220 drop.test');
    else socket.end(`${options.greeting}\r\n`);
  }

  receive(text: string): void {
    this.#input += text;
    while (!this.#busy && this.#step());
  }

  #step(): boolean {
    if (this.#inData) {
      const end = this.#input.startsWith('.\r\n') ? 0 : this.#input.indexOf('\r\n.\r\n') + 2;
      if (end === 1) return false;
      const body = this.#input.slice(0, end).replace(/^\.\./gm, '.');
      this.#input = this.#input.slice(end + 3);
      this.#inData = false;
      this.#take(body);
      return true;
    }
    const end = this.#input.indexOf('\r\n');
    if (end === -1) return false;
    const line = this.#input.slice(0, end);
    this.#input = this.#input.slice(end + 2);
    this.#obey(line);
    return true;
  }

  #obey(line: string): void {
    const address = /<([^>]*)>/.exec(line)?.[1] ?? '';
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
        this.#say('250-drop.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES');
        break;
      case 'MAIL':
        this.#sender = address;
        this.#recipients = [];
        this.#say('250 2.1.0 sender ok');
        break;
      case 'RCPT': {
        const refusal = this.#options.rcpt?.(address);
        if (refusal === undefined) this.#recipients.push(address);
        this.#say(refusal ?? '250 2.1.5 recipient ok');
        break;
      }
      case 'DATA':
        this.#inData = this.#recipients.length > 0;
        this.#say(this.#inData ? '354 go ahead' : '554 5.5.1 no valid recipients');
        break;
      case 'QUIT':
        this.#leave();
        this.#say('221 2.0.0 bye');
        this.#socket.end();
        break;
      default:
        this.#say('250 2.0.0 ok');
    }
  }

  #take(body: string): void {
    const message: Dropped = {
      at: performance.now(),
      connection: this.#connection,
      sender: this.#sender,
      recipients: this.#recipients,
      body,
    };
    const answer = (): void => {
      const refusal = this.#options.data?.(message);
      if (refusal === undefined) this.#messages.push(message);
      this.#say(refusal ?? '250 2.0.0 taken');
    };
    const { hold } = this.#options;
    if (hold === undefined) {
      answer();
      return;
    }
    this.#busy = true;
    void hold(message).then(() => {
      this.#busy = false;
      answer();
      this.receive('');
    });
  }

  #say(reply: string): void {
    this.#socket.write(`${reply}\r\n`);
  }
}
