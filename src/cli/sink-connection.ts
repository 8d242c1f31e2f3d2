import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';

/** Sendmail jokes that smtp-server answers. */
const JOKES = new Set(['WIZ', 'SHELL', 'KILL']);

/** smtp-server's connection, greeting at once. */
export class SinkConnection extends SMTPConnection {
  override init(): void {
    this._setListeners(() => this.connectionReady());
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
