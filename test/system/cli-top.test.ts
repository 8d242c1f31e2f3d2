import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { initLua, launcher, Moonpost } from '../kit/moonpost.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 240_000 });

const running = new Set<TopOnTerminal>();

afterAll(async () => {
  for (const top of running) top.end();
  await Moonpost.disposeAll();
});

/** `moonpost top` on a terminal of its own; what the terminal is like afterwards comes last in the text. */
class TopOnTerminal {
  text = '';
  hasEnded = false;
  readonly #child;

  constructor(http: number) {
    const top = `"${process.execPath}" "${launcher}" top --endpoint http://127.0.0.1:${http} --update-interval 100ms`;
    const command = `stty rows 24 cols 80; sh -c 'echo "pid $$"; exec ${top}'; echo "code $?"; stty -a`;
    this.#child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'moonpost-compile-cache'), SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    running.add(this);
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.text += text;
    });
    this.#child.once('close', () => {
      this.hasEnded = true;
      running.delete(this);
    });
  }

  get pid(): number {
    return Number(/pid (\d+)/.exec(this.text)![1]);
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  end(): void {
    this.#child.kill();
  }

  async shows(what: RegExp): Promise<void> {
    await eventually(() => (what.test(this.text) ? true : undefined), { what: () => this.text });
  }

  async ended(): Promise<void> {
    await eventually(() => (this.hasEnded ? true : undefined), { what: () => this.text });
  }
}

test('top gives the terminal back however it ends, and outlives the server', async () => {
  const server = await Moonpost.start({ policy: initLua() });
  const ends: [string, (top: TopOnTerminal) => void][] = [
    ['q', (top) => top.type('q')],
    ['Ctrl-C', (top) => top.type('\x03')],
    ['SIGTERM', (top) => process.kill(top.pid, 'SIGTERM')],
  ];
  for (const [how, end] of ends) {
    const top = new TopOnTerminal(server.http);
    await top.shows(/moonpost top .*policy 1/);
    end(top);
    await top.ended();
    const [frames, after] = top.text.split('\x1b[?7h\x1b[?25h\x1b[?1049l');
    expect(frames, how).toContain('\x1b[?1049h\x1b[?25l\x1b[?7l');
    expect(after, how).toMatch(/^\s*code 0\r\n/);
    // Raw mode is over: lines and signals are the business of the terminal again.
    expect(after, how).toMatch(/\bisig icanon\b/);
    expect(after, how).toMatch(/ echo /);
  }
  const top = new TopOnTerminal(server.http);
  await top.shows(/moonpost top .*policy 1/);
  expect(await server.stop()).toBe(0);
  await top.shows(/cannot reach/);
  top.type('q');
  await top.ended();
  expect(top.text).toContain('\x1b[?1049l');
  // Nothing can be shown of a server that is not there.
  const away = new TopOnTerminal(server.http);
  await away.ended();
  expect(away.text).toMatch(/Error: cannot reach .*\r\ncode 1/);
  expect(away.text).not.toContain('\x1b[?1049h');
});
