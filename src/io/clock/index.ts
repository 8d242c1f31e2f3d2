import type { Clock, Timer } from '../../model/index.ts';

/** The clock of the machine. `monotonic` counts from one origin in every worker thread of the process. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => Number(process.hrtime.bigint()) / 1e6,
  cpu() {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  },
  after(delay: number, callback: () => void): Timer {
    if (delay <= 0) {
      const handle = setImmediate(callback);
      return { cancel: () => clearImmediate(handle) };
    }
    // setTimeout treats more than 2^31-1 ms as 1 ms; nobody waits 24 days for one timer here.
    const handle = setTimeout(callback, Math.min(delay, 2 ** 31 - 1));
    return { cancel: () => clearTimeout(handle) };
  },
};
