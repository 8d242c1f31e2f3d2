import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** The other end closed the connection before it answered. */
export class ClosedError extends Error {}

/** A client that says exactly what it is told to, over a real socket. */
export class SmtpTalk {
  readonly #socket: Socket;
  #input = '';
  #closed = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#input += chunk.toString('latin1');
      this.#wake?.();
    });
    socket.on('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
    socket.on('error', () => {});
  }

  /** Connects and reads nothing yet: the greeting is the first reply. */
  static async open(port: number): Promise<SmtpTalk> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new SmtpTalk(socket);
  }

  /** Connects and greets. */
  static async greeted(port: number): Promise<SmtpTalk> {
    const talk = await SmtpTalk.open(port);
    await talk.expect('220');
    await talk.command('EHLO client.example', '250');
    return talk;
  }

  write(octets: string | Buffer): void {
    this.#socket.write(octets);
  }

  /** The next reply, its lines joined by LF. Rejects with ClosedError when there will be none. */
  async reply(): Promise<string> {
    for (;;) {
      const end = /^\d{3}(?: [^\r\n]*)?\r\n/m.exec(this.#input);
      if (end !== null) {
        const length = end.index + end[0].length;
        const reply = this.#input.slice(0, length).trimEnd().replaceAll('\r\n', '\n');
        this.#input = this.#input.slice(length);
        return reply;
      }
      if (this.#closed) throw new ClosedError(`the connection was closed, after '${this.#input}'`);
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
  }

  /** The next reply, which must begin so. */
  async expect(beginning: string): Promise<string> {
    const reply = await this.reply();
    if (!reply.startsWith(beginning)) throw new Error(`expected '${beginning}', got '${reply}'`);
    return reply;
  }

  /** One command and its reply. */
  command(line: string, beginning = ''): Promise<string> {
    this.write(`${line}\r\n`);
    return this.expect(beginning);
  }

  /** A whole transaction, dots doubled, each step after the reply to the one before; gives the reply that ended it. */
  async send(from: string, to: readonly string[], message: string): Promise<string> {
    for (const line of [`MAIL FROM:<${from}>`, ...to.map((address) => `RCPT TO:<${address}>`)]) {
      const reply = await this.command(line);
      if (!reply.startsWith('250')) return reply;
    }
    const data = await this.command('DATA');
    if (!data.startsWith('354')) return data;
    this.write(`${message.replace(/^\./gm, '..')}\r\n.\r\n`);
    return this.reply();
  }

  /** Resolves when the other end has closed. */
  async closed(): Promise<void> {
    if (!this.#closed) await once(this.#socket, 'close');
  }

  async quit(): Promise<void> {
    this.write('QUIT\r\n');
    await this.closed();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** One message over a connection of its own; gives the reply that ended it. */
export async function sendOne(
  port: number,
  to: string | readonly string[] = 'rcpt@dest.example',
  message = 'Subject: hello\r\n\r\nbody',
): Promise<string> {
  const talk = await SmtpTalk.greeted(port);
  const reply = await talk.send('sender@example.org', typeof to === 'string' ? [to] : to, message);
  talk.destroy();
  return reply;
}
