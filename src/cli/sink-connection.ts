import type { Socket } from 'node:net';
import type { SMTPServerSession } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';

import { dripWrites, type FaultAction, type FaultDice, type FaultStep } from './sink-faults.ts';

/** Steps of a conversation by the command that takes them. */
const STEPS: Record<string, FaultStep | undefined> = {
  EHLO: 'ehlo',
  HELO: 'ehlo',
  STARTTLS: 'starttls',
  MAIL: 'mail',
  RCPT: 'rcpt',
  DATA: 'data',
};

/** Sendmail jokes that smtp-server answers. */
const JOKES = new Set(['WIZ', 'SHELL', 'KILL']);

/** smtp-server's connection, greeting at once, with what goes wrong on purpose. */
export class SinkConnection extends SMTPConnection {
  /** Set before `init`. */
  dice: FaultDice | undefined;
  /** Called with each fault that happens. */
  onFault: (step: FaultStep, action: FaultAction) => void = () => {};
  /** Called with the name that the peer greets with first; what it gives is called once, when it is over. */
  onGreeted: (client: string) => () => void = () => () => {};
  #over: (() => void) | undefined;

  override init(): void {
    this._setListeners(() => {
      if (!this.stumble('connect')) this.connectionReady();
    });
  }

  override _onCommand(command: Buffer, callback?: (error?: Error | null) => void): void {
    const verb = command
      .subarray(0, 8)
      .toString('latin1')
      .split(/[ \r\n]/, 1)[0]!
      .toUpperCase();
    const step = this._ready && !this._upgrading ? STEPS[verb] : undefined;
    if (step === 'ehlo') this.#greeted(command.subarray(5).toString('latin1').trim());
    if (step === undefined || !this.stumble(step, callback)) super._onCommand(command, callback);
  }

  #greeted(client: string): void {
    this.#over ??= this.onGreeted(client);
    // The same after STARTTLS: it is another socket then. `close` may come a while after the peer has gone.
    this._socket.once('end', () => this.#end());
  }

  #end(): void {
    this.#over?.();
    this.#over = () => {};
  }

  override close(): void {
    this.#end();
    super.close();
  }

  override _onClose(): void {
    this.#end();
    super._onClose();
  }

  /** Lets something go wrong at this step, perhaps. True when it did, and nothing else is to be done. */
  stumble(step: FaultStep, goOn: () => void = () => {}): boolean {
    const action = this.dice?.roll(step);
    if (action === undefined) return false;
    this.onFault(step, action);
    return this.suffer(action, goOn);
  }

  /** Whether nothing else is to be done. `goOn` is called when the conversation goes on. */
  suffer(action: FaultAction, goOn: () => void): boolean {
    switch (action) {
      case 'hang':
        // A socket that nobody reads never tells that the peer has gone.
        this._socket.unpipe();
        this._socket.resume();
        return true;
      case 'drip':
        dripWrites(this._socket);
        return false;
      case 'reset':
        this.#end();
        reset(this._socket);
        return true;
      case 'close':
        this.#end();
        this._socket.destroy();
        return true;
      default:
        this.send(action, 'fault of this sink');
        if (action === 421) this.close();
        else goOn();
        return true;
    }
  }

  belongsTo(session: SMTPServerSession): boolean {
    return this.session === session;
  }

  override _isSupported(command: string): boolean {
    return !JOKES.has(command) && super._isSupported(command);
  }

  override _createParser(): SMTPStream {
    const parser = new SinkStream();
    parser.oncommand = (command, callback) => this._onCommand(command, callback);
    parser.on('error', (error) => this.send(421, `Error: ${error.message}`));
    return parser;
  }
}

/**
 * Finds the end of a message natively where smtp-server looks at every octet. Chunks that need its care (a dot at
 * the start of a line, other than in the terminator that ends the chunk) still take that way.
 */
class SinkStream extends SMTPStream {
  /** smtp-server forgets the callback only after calling it, and so loses the one of a pipelined next message. */
  override continue(): void {
    const resume = this._continueCallback;
    this._continueCallback = typeof resume !== 'function';
    if (typeof resume === 'function') resume();
  }

  override _feedDataStream(chunk: Buffer, done: (error?: Error | null) => void): void {
    const lastBytes = this._lastBytes;
    const whole = lastBytes !== false && lastBytes.length > 0 ? Buffer.concat([lastBytes, chunk]) : chunk;
    const dot = whole.indexOf('\n.');
    const isPlainEnd =
      !this._atDataStart || whole[0] !== 0x2e
        ? dot > 0 && dot + 4 === whole.length && whole.subarray(-5).equals(TERMINATOR)
        : false;
    if (!isPlainEnd) {
      super._feedDataStream(chunk, done);
      return;
    }
    this._lastBytes = false;
    const text = whole.subarray(0, -3);
    this._countDataBytes(text.length);
    this._endDataMode(text, whole.subarray(whole.length), done);
  }
}

const TERMINATOR = Buffer.from('\r\n.\r\n');

function reset(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    // Over TLS the socket below cannot be reached.
    socket.destroy();
  }
}
