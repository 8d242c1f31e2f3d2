import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../model/index.ts';
import type { Server } from './endpoint.ts';
import { print, printJson } from './output.ts';
import { Screen } from './screen.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';
import { formatTop } from './top-frame.ts';
import { type Flow, ratesBetween, type TopSample, takeSample } from './top-sample.ts';

interface TopFlags extends ServerFlags {
  /** ms */
  updateInterval: number;
  once?: boolean;
}

/** Rates that are remembered: as many as a wide terminal shows. */
const HISTORY = 300;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** `moonpost top` */
export function topCommand(): Command {
  const command = serverCommand('top', 'a live view of queues, throughput and connections; q ends it')
    .option('--update-interval <time>', 'how often it looks', interval, 1000)
    .option('--once', 'look twice, print one frame and end');
  return asks<TopFlags>(command, async (server, { updateInterval, once, json }) => {
    if (once === true || json === true) return printOnce(server, updateInterval, json === true);
    if (!process.stdout.isTTY) {
      command.error('error: stdout is no terminal; --once prints one frame');
    }
    await new LiveTop(server, updateInterval).run();
  });
}

function interval(text: string): number {
  // A number alone is seconds.
  const length = /^[\d.]+$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (length === undefined || !(length >= 100))
    throw new InvalidArgumentError('must be 100ms or more, such as 2s');
  return length;
}

async function printOnce(server: Server, updateInterval: number, asJson: boolean): Promise<void> {
  const before = await takeSample(server);
  await new Promise((resolve) => setTimeout(resolve, updateInterval));
  const sample = await takeSample(server);
  const rates = ratesBetween(before, sample);
  if (asJson) {
    const { at: _, readyQueues, scheduledQueues, ...counts } = sample;
    printJson({
      ...counts,
      per_second: rates,
      readyQueues,
      scheduledQueues: scheduledQueues.map(({ parts, ...row }) => row),
    });
    return;
  }
  const { columns = 80, rows = 24 } = process.stdout;
  const view = { endpoint: server.endpoint, time: timeOfDay(), sample, history: [rates] };
  print(formatTop(view, columns, rows).join('\n'));
}

function timeOfDay(): string {
  return `${new Date().toISOString().slice(11, 19)}Z`;
}

/**
 * The view on a terminal. running → ended, by q, Ctrl-C, a signal or an error; whichever it is, the terminal is given
 * back as it was. A server that does not answer is shown as such, and asked again.
 */
class LiveTop {
  readonly #server: Server;
  readonly #interval: number;
  readonly #screen = new Screen(process.stdout);
  readonly #history: Record<Flow, number>[] = [];
  #sample: TopSample | undefined;
  #error: string | undefined;
  #end: () => void = () => {};
  #wake: () => void = () => {};
  #isEnded = false;

  constructor(server: Server, updateInterval: number) {
    this.#server = server;
    this.#interval = updateInterval;
  }

  /** Throws when the first look fails. */
  async run(): Promise<void> {
    this.#sample = await takeSample(this.#server);
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
    try {
      this.#takeTerminal();
      await Promise.race([ended, this.#looks()]);
    } finally {
      this.#isEnded = true;
      this.#giveBack();
    }
    // An answer that is still awaited must not keep the process.
    process.exit(0);
  }

  async #looks(): Promise<void> {
    while (!this.#isEnded) {
      this.#draw();
      await this.#pause();
      if (!this.#isEnded) await this.#look();
    }
  }

  async #look(): Promise<void> {
    try {
      const sample = await takeSample(this.#server);
      this.#history.push(ratesBetween(this.#sample!, sample));
      if (this.#history.length > HISTORY) this.#history.shift();
      this.#sample = sample;
      this.#error = undefined;
    } catch (error) {
      this.#error = (error as Error).message;
    }
  }

  /** Until the next look is due, or the end. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#interval);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #draw(): void {
    if (this.#isEnded) return;
    const view = {
      endpoint: this.#server.endpoint,
      time: timeOfDay(),
      sample: this.#sample!,
      history: this.#history,
      ...(this.#error !== undefined && { error: this.#error }),
    };
    this.#screen.draw(formatTop(view, this.#screen.columns, this.#screen.rows));
  }

  #takeTerminal(): void {
    process.on('exit', this.#giveBack);
    for (const signal of SIGNALS) process.on(signal, this.#stop);
    process.stdout.on('resize', this.#resized);
    process.stdout.on('error', this.#stop);
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    process.stdin.on('data', this.#keyed);
    this.#screen.open();
  }

  readonly #giveBack = (): void => {
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdin.pause();
    this.#screen.close();
  };

  readonly #stop = (): void => {
    this.#isEnded = true;
    this.#wake();
    this.#end();
  };

  readonly #resized = (): void => {
    this.#screen.forget();
    this.#draw();
  };

  readonly #keyed = (keys: Buffer): void => {
    // q, Ctrl-C and Ctrl-D; in raw mode the terminal makes no signals of them.
    if (/[qQ\x03\x04]/.test(keys.toString('latin1'))) this.#stop();
  };
}
