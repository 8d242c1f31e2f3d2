import { defineConfig } from 'vitest/config';

// Tests against real peers from Debian packages; `npm run test:peers`.
export default defineConfig({
  test: { include: ['test/peers/**/*.test.ts'], maxWorkers: 1, testTimeout: 180_000, hookTimeout: 60_000 },
});
