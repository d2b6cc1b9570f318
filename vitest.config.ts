import { defineConfig } from 'vitest/config';

// Tests that start tor networks run after the others and one file at a time: each has a dozen processes and its own
// deadlines in voting intervals.
const network = [
  'test/tor-network/**/*.test.ts',
  'test/e2e/thread.test.ts',
  'test/publisher/control-tor.test.ts',
  'test/fidelity/fidelity.test.ts',
];

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 240_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: network,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'network', include: network, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
