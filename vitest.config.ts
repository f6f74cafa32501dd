import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // A crash in native code must take down one fork, never the runner.
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Descriptors, children and temporary files are counted by tests: their parent folder is theirs alone.
    maxWorkers: 2,
    reporters: process.env.CI ? ['default', './test/summary-reporter.ts'] : ['default'],
  },
});
