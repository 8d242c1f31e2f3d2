import { describe, expect, test } from 'vitest';
import {
  collectGarbage,
  controlGroupMemory,
  MemoryWatch,
  memoryUsage,
  usableMemory,
} from '../../../src/io/memory/index.ts';
import { type MemoryLevel, memoryLimits } from '../../../src/model/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const MIB = 2 ** 20;

function files(there: Record<string, string>): (path: string) => string | undefined {
  return (path) => there[path];
}

describe('the memory of the control group', () => {
  const V2 = '/sys/fs/cgroup/system.slice/moonpost.service';

  test('version 2: limits, and usage without the pages of files that can be read again', () => {
    const there: Record<string, string> = {
      '/proc/self/cgroup': '0::/system.slice/moonpost.service\n',
      [`${V2}/memory.max`]: `${1000 * MIB}\n`,
      [`${V2}/memory.high`]: `${700 * MIB}\n`,
      [`${V2}/memory.current`]: `${500 * MIB}\n`,
      [`${V2}/memory.stat`]: `anon ${100 * MIB}\nfile 1\ninactive_file ${300 * MIB}\nactive_file 7\n`,
    };
    const found = controlGroupMemory(files(there))!;
    expect([found.hard, found.soft, found.usage()]).toEqual([1000 * MIB, 700 * MIB, 200 * MIB]);
    there[`${V2}/memory.stat`] = `anon ${450 * MIB}\ninactive_file ${300 * MIB}\n`;
    expect(found.usage()).toBe(450 * MIB);
    delete there[`${V2}/memory.current`];
    expect(found.usage()).toBeUndefined();
  });

  test('version 2: the nearest group around it that has a limit', () => {
    const found = controlGroupMemory(
      files({
        '/proc/self/cgroup': '0::/system.slice/moonpost.service\n',
        [`${V2}/memory.max`]: 'max\n',
        [`${V2}/memory.high`]: 'max\n',
        '/sys/fs/cgroup/system.slice/memory.max': '5000\n',
        '/sys/fs/cgroup/system.slice/memory.high': 'max\n',
        '/sys/fs/cgroup/system.slice/memory.current': '900\n',
        '/sys/fs/cgroup/system.slice/memory.stat': 'anon 10\ninactive_file 200\n',
      }),
    )!;
    expect([found.hard, found.soft, found.usage()]).toEqual([5000, undefined, 700]);
  });

  test('version 1, in a container whose own group is the topmost one', () => {
    const found = controlGroupMemory(
      files({
        '/proc/self/cgroup': '9:name=systemd:/x\n4:cpu,memory:/docker/abc\n0::/\n',
        '/sys/fs/cgroup/memory/memory.limit_in_bytes': '5000\n',
        '/sys/fs/cgroup/memory/memory.soft_limit_in_bytes': '9223372036854771712\n',
        '/sys/fs/cgroup/memory/memory.usage_in_bytes': '900\n',
        '/sys/fs/cgroup/memory/memory.stat': 'rss 1\ntotal_rss 800\ntotal_inactive_file 200\n',
      }),
    )!;
    expect([found.hard, found.soft, found.usage()]).toEqual([5000, undefined, 800]);
  });

  test('none where nothing limits, and where there are no control groups', () => {
    const none = '9223372036854771712\n';
    const there = {
      '/proc/self/cgroup': '4:memory:/\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': none,
    };
    expect(controlGroupMemory(files(there))).toBeUndefined();
    expect(controlGroupMemory(files({}))).toBeUndefined();
  });

  test('of this machine', () => {
    expect(memoryUsage()).toBeGreaterThan(10 * MIB);
    const { hard, soft, low } = usableMemory();
    expect(hard).toBeGreaterThan(soft);
    expect(soft).toBeGreaterThan(low);
    expect(() => collectGarbage()).not.toThrow();
  });
});

test('limits follow from each other unless policy sets them', () => {
  expect(memoryLimits({}, { hard: 1000 })).toEqual({ hard: 1000, soft: 750, low: 600 });
  expect(memoryLimits({}, { hard: 1000, soft: 500 })).toEqual({ hard: 1000, soft: 500, low: 400 });
  expect(memoryLimits({ hard: 100 }, { hard: 1000, soft: 500 })).toEqual({ hard: 100, soft: 75, low: 60 });
  expect(memoryLimits({ soft: 300 }, { hard: 1000 })).toEqual({ hard: 1000, soft: 300, low: 240 });
  expect(memoryLimits({ low: 10 }, { hard: 1000 })).toEqual({ hard: 1000, soft: 750, low: 10 });
});

describe('the watch', () => {
  function watched() {
    const clock = new FakeClock();
    const said: string[] = [];
    const levels: MemoryLevel[] = [];
    const reading: { mib: number | undefined } = { mib: 0 };
    let collected = 0;
    const say = (_: string, text: string): void => void said.push(text);
    const watch = new MemoryWatch({
      limits: memoryLimits({}, { hard: 1000 * MIB }),
      usage: () => (reading.mib === undefined ? undefined : reading.mib * MIB),
      clock,
      diagnostics: { error: say, warn: say, info: say, debug: say },
      onChange: (level) => void levels.push(level),
      collect: () => void collected++,
    });
    return { clock, said, levels, reading, watch, collections: () => collected };
  }

  test('tells each change of level once, with how many there were', async () => {
    const { clock, said, levels, reading, watch } = watched();
    watch.start();
    for (const mib of [599, 600, 650, 749, 750, 900, 740, 700, 595, 580, 800, 100]) {
      reading.mib = mib;
      await clock.advance(1000);
    }
    expect(levels).toEqual(['low', 'none', 'low', 'enough', 'none', 'enough']);
    expect(watch.counts).toEqual({ low: 1, none: 2 });
    expect(said[1]).toBe('memory is used up, no mail is taken: 750 MiB in use, soft limit 750 MiB');
    expect(said).toHaveLength(6);
    watch.stop();
    expect(clock.pending).toBe(0);
  });

  test('keeps its verdict while nothing can be read', async () => {
    const { clock, levels, reading, watch } = watched();
    watch.start();
    for (const mib of [800, undefined, undefined]) {
      reading.mib = mib;
      await clock.advance(1000);
    }
    expect([levels, watch.usage]).toEqual([['none'], 800 * MIB]);
    watch.stop();
  });

  test('does not flap around a limit', async () => {
    const { clock, levels, reading, watch } = watched();
    watch.start();
    for (const mib of [751, 748, 752, 747, 751]) {
      reading.mib = mib;
      await clock.advance(1000);
    }
    expect(levels).toEqual(['none']);
    watch.stop();
  });

  test('garbage is collected at once when there is no memory left, and then once a minute', async () => {
    const { clock, reading, watch, collections } = watched();
    watch.start();
    reading.mib = 700;
    await clock.advance(5000);
    expect(collections()).toBe(0);
    reading.mib = 800;
    await clock.advance(59_000);
    expect(collections()).toBe(1);
    await clock.advance(121_000);
    expect(collections()).toBe(3);
    watch.stop();
  });
});

describe('limits of the environment', () => {
  const environment = { KUMOD_MEMORY_HARD_LIMIT: '1000000', KUMOD_MEMORY_SOFT_LIMIT: '900000' };

  test('beat those of the machine, and policy beats them', () => {
    expect(usableMemory({}, environment)).toEqual({ hard: 1_000_000, soft: 900_000, low: 720_000 });
    expect(usableMemory({ soft: 500_000 }, environment)).toMatchObject({ hard: 1_000_000, soft: 500_000 });
    expect(usableMemory({}, { KUMOD_MEMORY_HARD_LIMIT: '1000000' })).toMatchObject({ soft: 750_000 });
  });

  test.each(['1G', '-1', '0', 'much'])('%s is refused', (text) => {
    expect(() => usableMemory({}, { KUMOD_MEMORY_SOFT_LIMIT: text })).toThrow(
      'KUMOD_MEMORY_SOFT_LIMIT is no number of bytes',
    );
  });
});
