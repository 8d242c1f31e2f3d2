import { formatIpOctets, ipOctets } from '../ip/index.ts';

export interface Socks5Request {
  /** IP address that the proxy is to connect from; its port is the proxy's choice. */
  source: string;
  /** Where to; an IP address. */
  destination: { address: string; port: number };
  /** RFC 1929. Without it no authentication is offered. */
  credentials?: { username: string; password: string } | undefined;
}

/** Which answer was awaited when it failed. */
export type Socks5Phase = 'method' | 'auth' | 'bind' | 'connect';

export type Socks5Step =
  /** The answer is not all there yet. */
  | { kind: 'incomplete' }
  | { kind: 'send'; octets: Buffer }
  /** `source` is what the proxy connected from, port 0 when it did not say; `rest` is of the destination. */
  | { kind: 'connected'; source: { address: string; port: number }; rest: Buffer }
  /** `code`: the REP of RFC 1928 §6, when the proxy refused with one. */
  | { kind: 'failed'; phase: Socks5Phase; code?: number; text: string };

/** RFC 1928 §6. */
const REPLIES = [
  'succeeded',
  'general SOCKS server failure',
  'connection not allowed by ruleset',
  'network unreachable',
  'host unreachable',
  'connection refused',
  'TTL expired',
  'command not supported',
  'address type not supported',
];
const NO_AUTHENTICATION = 0;
const USERNAME_PASSWORD = 2;
const BIND = 2;
const CONNECT = 1;
const INCOMPLETE: Socks5Step = { kind: 'incomplete' };

/**
 * The client of a SOCKS5 proxy (RFC 1928, RFC 1929) that chooses the address the proxy connects from: BIND names it,
 * then CONNECT follows on the same connection. Packages such as `socks` send one command for each connection and take
 * BIND for a wait for a caller, so they cannot do this.
 * method → (auth →) bind → connect → over. Each octet from the proxy is checked as soon as it is there, and at
 * most one reply, 262 octets, is kept.
 */
export class Socks5Client {
  readonly #request: Socks5Request;
  #phase: Socks5Phase | 'over' = 'method';
  #input: Buffer = Buffer.alloc(0);
  #bound: { address: string; port: number };

  /** Throws when the credentials do not fit into RFC 1929. */
  constructor(request: Socks5Request) {
    this.#request = request;
    this.#bound = { address: request.source, port: 0 };
    if (request.credentials === undefined) return;
    for (const [name, text] of Object.entries(request.credentials)) {
      const { length } = Buffer.from(text);
      if (length < 1 || length > 255)
        throw new RangeError(`the ${name} for the proxy is not 1 to 255 octets`);
    }
  }

  /** What is awaited. */
  get phase(): Socks5Phase | 'over' {
    return this.#phase;
  }

  /** What to send first. */
  greeting(): Buffer {
    return this.#request.credentials === undefined
      ? Buffer.from([5, 1, NO_AUTHENTICATION])
      : Buffer.from([5, 2, NO_AUTHENTICATION, USERNAME_PASSWORD]);
  }

  /** Takes what the proxy sent. After `connected` and `failed` it is over. */
  take(octets: Buffer): Socks5Step {
    if (this.#phase === 'over') throw new Error('the conversation with the proxy is over');
    const input = this.#input.length === 0 ? octets : Buffer.concat([this.#input, octets]);
    this.#input = input;
    const step = this.#phase === 'method' || this.#phase === 'auth' ? this.#short(input) : this.#reply(input);
    if (step.kind === 'failed' || step.kind === 'connected') this.#phase = 'over';
    return step;
  }

  #short(input: Buffer): Socks5Step {
    const phase = this.#phase as 'method' | 'auth';
    const version = phase === 'method' ? 5 : 1;
    if (input[0] !== undefined && input[0] !== version) return this.#fail('the answer is not SOCKS5');
    if (input.length < 2) return INCOMPLETE;
    if (input.length > 2) return this.#fail('the proxy sent more than its answer');
    const answer = input[1]!;
    if (phase === 'auth') {
      return answer === 0 ? this.#command('bind') : this.#fail('username and password were refused');
    }
    if (answer === NO_AUTHENTICATION) return this.#command('bind');
    const { credentials } = this.#request;
    if (answer === USERNAME_PASSWORD && credentials !== undefined) return this.#authenticate(credentials);
    return this.#fail(
      answer === 0xff
        ? 'none of our authentication methods is acceptable'
        : `the proxy chose authentication method ${answer}, which was not offered`,
    );
  }

  #authenticate({ username, password }: { username: string; password: string }): Socks5Step {
    this.#phase = 'auth';
    this.#input = Buffer.alloc(0);
    const [user, secret] = [Buffer.from(username), Buffer.from(password)];
    const octets = Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([secret.length]), secret]);
    return { kind: 'send', octets };
  }

  #command(phase: 'bind' | 'connect'): Socks5Step {
    this.#phase = phase;
    this.#input = Buffer.alloc(0);
    const { source, destination } = this.#request;
    const { address, port } = phase === 'bind' ? { address: source, port: 0 } : destination;
    const target = ipOctets(address);
    const command = phase === 'bind' ? BIND : CONNECT;
    const head = Buffer.from([5, command, 0, target.length === 4 ? 1 : 4]);
    return { kind: 'send', octets: Buffer.concat([head, target, Buffer.from([port >> 8, port & 0xff])]) };
  }

  #reply(input: Buffer): Socks5Step {
    if (input[0] !== undefined && input[0] !== 5) return this.#fail('the answer is not SOCKS5');
    const code = input[1];
    // What follows a refusal says nothing, and some proxies leave it out.
    if (code !== undefined && code !== 0) return this.#fail(REPLIES[code] ?? `reply code ${code}`, code);
    if (input.length < 5) return INCOMPLETE;
    const size = { 1: 4, 3: 1 + input[4]!, 4: 16 }[input[3]!];
    if (size === undefined) return this.#fail(`the answer has an address of unknown type ${input[3]}`);
    const length = 4 + size + 2;
    if (input.length < length) return INCOMPLETE;
    this.#note(input[3]!, input.subarray(4, length));
    if (this.#phase === 'connect') {
      return { kind: 'connected', source: this.#bound, rest: input.subarray(length) };
    }
    if (input.length > length) return this.#fail('the proxy sent more than its answer');
    return this.#command('connect');
  }

  /** BND.ADDR and BND.PORT. Some proxies give an address of their own, or zeros: the one that was asked for holds. */
  #note(type: number, bound: Buffer): void {
    if (type === 3) return;
    const address = formatIpOctets(bound.subarray(0, -2));
    const port = bound.readUInt16BE(bound.length - 2);
    if (address === this.#bound.address && port > 0) this.#bound = { address, port };
  }

  #fail(text: string, code?: number): Socks5Step {
    const phase = this.#phase as Socks5Phase;
    return { kind: 'failed', phase, text, ...(code !== undefined && { code }) };
  }
}
