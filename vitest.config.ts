import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/peers/**'],
    maxWorkers: 2,
    // Seconds where there are cores to spare; a slow one that is shared takes its time.
    testTimeout: 90_000,
    hookTimeout: 90_000,
  },
});
