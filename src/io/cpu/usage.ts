import { cpus } from 'node:os';

/** CPU use since the last look, in percent of one core. */
export interface CpuUse {
  process: number;
  system: number;
  cores: number;
}

/** Looks at the CPU time of this process and of the machine. The first look says what it was on average since the start. */
export class CpuMeter {
  #process = 0;
  #busy = 0;
  #at = 0;

  constructor() {
    const { busy } = machine();
    this.#busy = busy;
  }

  look(): CpuUse {
    const elapsed = Math.max(1, performance.now() - this.#at);
    const { user, system } = process.cpuUsage();
    const used = (user + system) / 1000;
    const { busy, cores } = machine();
    const use = {
      process: (100 * (used - this.#process)) / elapsed,
      system: (100 * (busy - this.#busy)) / elapsed,
      cores,
    };
    this.#at += elapsed;
    this.#process = used;
    this.#busy = busy;
    return use;
  }
}

/** Milliseconds that all cores were busy since the machine started. */
function machine(): { busy: number; cores: number } {
  const all = cpus();
  let busy = 0;
  for (const { times } of all) busy += times.user + times.nice + times.sys + times.irq;
  return { busy, cores: Math.max(1, all.length) };
}
