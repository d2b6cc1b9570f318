import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { defineConfig } from 'vitest/config';

/** Minutes of waiting for voting intervals: they begin first, and the other worker does the rest meanwhile. */
const LONGEST = [
  'test/e2e/thread.test.ts',
  'test/e2e/daemon.test.ts',
  'test/thief/thief.test.ts',
  'test/fidelity/differential.test.ts',
  'test/e2e/restricted.test.ts',
  'test/crash/points.test.ts',
  'test/crash/campaign.test.ts',
  'test/publisher/run.test.ts',
  'test/e2e/doors.test.ts',
  'test/e2e/audit.test.ts',
  'test/pkcs11/misbehaviour.test.ts',
  'test/pkcs11/misbehaviour-signing.test.ts',
  'test/pkcs11/keyholder-in-token.test.ts',
  'test/e2e/period-keys.test.ts',
  'test/e2e/backup.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.findIndex(name => moduleId.endsWith(name));
      return place === -1 ? LONGEST.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/** Tests import sources and run what was made of them: what ships, and half as long to start as a process on sources. */
const BUILT = { find: /^((?:\.\.\/)+)src\/(.+)\.ts$/u, replacement: '$1dist/$2.js' };

export default defineConfig({
  resolve: { alias: [BUILT] },
  test: {
    pool: 'forks',
    // Networks of a dozen tors run beside each other on free ports; more than two at once would starve one another.
    maxWorkers: 2,
    include: ['test/**/*.test.ts'],
    sequence: { sequencer: LongestFirst },
    testTimeout: 180_000,
    hookTimeout: 360_000,
  },
});
