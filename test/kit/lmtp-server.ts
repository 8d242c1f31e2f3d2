import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface LmtpDelivery {
  sender: string;
  recipient: string;
  body: string;
}

/**
 * A local delivery agent (RFC 2033): after the dot it answers once for each recipient that it had accepted. Its own
 * simple reading of the protocol, so that what it saw does not depend on code of ours.
 */
export class LmtpServer {
  readonly port: number;
  /** What was delivered, in order. */
  readonly delivered: LmtpDelivery[] = [];
  /** Every command line, in order; data lines are left out. */
  readonly commands: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answers: LmtpAnswers;

  private constructor(server: Server, answers: LmtpAnswers) {
    this.#server = server;
    this.#answers = answers;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static async start(answers: LmtpAnswers = {}): Promise<LmtpServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new LmtpServer(server, answers);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    let input = '';
    let sender = '';
    let recipients: string[] = [];
    let body: string[] | undefined;
    /** The replies to a line. */
    const hear = (line: string): string[] => {
      if (body !== undefined) {
        if (line !== '.') {
          body.push(line.startsWith('.') ? line.slice(1) : line);
          return [];
        }
        const text = `${body.join('\r\n')}\r\n`;
        body = undefined;
        return recipients.map((recipient) => this.#take({ sender, recipient, body: text }));
      }
      this.commands.push(line);
      const address = /<([^>]*)>/.exec(line)?.[1] ?? '';
      switch (line.slice(0, 4).toUpperCase()) {
        case 'LHLO':
          return ['250-lmtp.test\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES'];
        // RFC 2033 section 4.1: there is neither HELO nor EHLO.
        case 'HELO':
        case 'EHLO':
          return ['500 5.5.1 this is LMTP'];
        case 'MAIL':
          sender = address;
          recipients = [];
          return ['250 2.1.0 sender ok'];
        case 'RCPT': {
          const refusal = this.#answers.rcpt?.(address);
          if (refusal === undefined) recipients.push(address);
          return [refusal ?? '250 2.1.5 recipient ok'];
        }
        case 'DATA':
          if (recipients.length === 0) return ['503 5.5.1 no valid recipients'];
          body = [];
          return ['354 go ahead'];
        case 'QUIT':
          return ['221 2.0.0 bye'];
        default:
          return ['250 2.0.0 ok'];
      }
    };
    socket.on('data', (text) => {
      input += String(text);
      for (let end = input.indexOf('\r\n'); end >= 0; end = input.indexOf('\r\n')) {
        const line = input.slice(0, end);
        input = input.slice(end + 2);
        for (const reply of hear(line)) socket.write(`${reply}\r\n`);
        if (line.toUpperCase() === 'QUIT') socket.end();
      }
    });
    socket.write('220 lmtp.test\r\n');
  }

  #take(delivery: LmtpDelivery): string {
    const refusal = this.#answers.dot?.(delivery.recipient);
    if (refusal === undefined) this.delivered.push(delivery);
    return refusal ?? `250 2.1.5 delivered to ${delivery.recipient}`;
  }
}

/** Refusals by recipient; undefined accepts. */
export interface LmtpAnswers {
  rcpt?: (recipient: string) => string | undefined;
  dot?: (recipient: string) => string | undefined;
}
