import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // A crash in native code must take down one fork, never the runner.
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    // What is tested is compiled; the tests of the cache ask for one of their own.
    env: { FROMSOURCE_CACHE: 'off' },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Descriptors, children and temporary files are counted by tests: their parent folder is theirs alone.
    maxWorkers: 2,
    reporters: process.env.CI ? ['default', './test/summary-reporter.ts'] : ['default'],
  },
});
