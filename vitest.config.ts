import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Hundreds of servers are started from the same files: what one has compiled, the next ones take from here.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/compiled');

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
