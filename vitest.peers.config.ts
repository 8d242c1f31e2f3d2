import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Hundreds of servers are started from the same files: what one has compiled, the next ones take from here.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/compiled');

// Tests against real peers from Debian packages; `npm run test:peers`.
export default defineConfig({
  test: { include: ['test/peers/**/*.test.ts'], maxWorkers: 1, testTimeout: 180_000, hookTimeout: 60_000 },
});
