import type { Socket } from 'node:net';
import { InvalidArgumentError } from 'commander';

const STEPS = ['connect', 'ehlo', 'starttls', 'mail', 'rcpt', 'data', 'body', 'dot'] as const;
/** Where in a conversation something goes wrong; `body` is in the middle of a message, `dot` at its end. */
export type FaultStep = (typeof STEPS)[number];

const ACTIONS = ['reset', 'close', 'hang', 'drip'] as const;
/** A reply code (421 also closes), a TCP reset, an end, silence, or replies at one octet per second from then on. */
export type FaultAction = number | (typeof ACTIONS)[number];

export interface SinkFault {
  step: FaultStep;
  action: FaultAction;
  /** 0 to 1. */
  probability: number;
}

/** An address to listen on, and what goes wrong there. */
export interface SinkListener {
  /** `IP:PORT`; port 0 takes a free one. */
  address: string;
  faults: readonly SinkFault[];
  /** Whether STARTTLS is offered, where the sink has a certificate. */
  tls: boolean;
}

/**
 * Parses `IP:PORT`, followed by any number of `,STEP=ACTION`, each perhaps with `@PERCENT%`, and `,no-tls`, such as
 * `127.0.0.1:2526,rcpt=451@10%,body=reset@1%`. Throws InvalidArgumentError.
 */
export function parseListener(text: string): SinkListener {
  const [address = '', ...rest] = text.split(',');
  const tls = !rest.includes('no-tls');
  return { address, tls, faults: rest.filter((word) => word !== 'no-tls').map(parseFault) };
}

function parseFault(text: string): SinkFault {
  const match = /^([a-z]+)=([a-z0-9]+)(?:@(\d+(?:\.\d+)?)%)?$/.exec(text);
  const step = STEPS.find((name) => name === match?.[1]);
  const action = parseAction(match?.[2] ?? '');
  if (match === null || step === undefined || action === undefined) {
    throw new InvalidArgumentError(
      `'${text}': give faults as STEP=ACTION or STEP=ACTION@PERCENT%, with a step of ${STEPS.join(', ')} and a code from 400 to 599 or one of ${ACTIONS.join(', ')}.`,
    );
  }
  return { step, action, probability: match[3] === undefined ? 1 : Number(match[3]) / 100 };
}

function parseAction(text: string): FaultAction | undefined {
  if (/^[45]\d\d$/.test(text)) return Number(text);
  return ACTIONS.find((name) => name === text);
}

/** Decides when something goes wrong, always in the same way for the same numbers. */
export class FaultDice {
  readonly #faults: readonly SinkFault[];
  readonly #random: () => number;

  constructor(faults: readonly SinkFault[], random: () => number) {
    this.#faults = faults;
    this.#random = random;
  }

  /** What goes wrong at this step now, if anything. */
  roll(step: FaultStep): FaultAction | undefined {
    for (const fault of this.#faults) {
      if (fault.step !== step) continue;
      if (fault.probability >= 1 || this.#random() < fault.probability) return fault.action;
    }
    return undefined;
  }
}

/** Numbers in [0, 1) that are the same for the same seed (a multiply-with-carry generator with 64 bits of state). */
export function seededRandom(seed: number): () => number {
  let state = (BigInt(seed >>> 0) << 32n) | 0x9e3779b9n;
  const next = (): number => {
    state = (state & 0xffffffffn) * 4294957665n + (state >> 32n);
    return Number(state & 0xffffffffn) / 2 ** 32;
  };
  // The first numbers of seeds that are close are close too.
  for (let round = 0; round < 8; round++) next();
  return next;
}

/** From now on what is written leaves octet by octet, one per `interval` ms. */
export function dripWrites(socket: Socket, interval = 1000): void {
  const write = socket.write.bind(socket) as (chunk: Buffer) => boolean;
  let waiting = Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  const drop = (): void => {
    if (socket.destroyed || waiting.length === 0) {
      clearInterval(timer);
      timer = undefined;
      return;
    }
    write(waiting.subarray(0, 1));
    waiting = waiting.subarray(1);
  };
  socket.write = ((chunk: string | Buffer) => {
    waiting = Buffer.concat([waiting, Buffer.from(chunk as string)]);
    timer ??= setInterval(drop, interval);
    return true;
  }) as Socket['write'];
}
