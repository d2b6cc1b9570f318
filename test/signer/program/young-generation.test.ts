import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const MODULE = new URL('../../../dist/signer/program/young-generation.js', import.meta.url).href;
/** Many objects that survive a collection or two: what makes the young generation grow. */
const LOAD = `
  let kept = [];
  for (let i = 0; i < 3_000_000; i++) {
    kept.push({ i, text: 'x' + i });
    if (kept.length > 30_000) kept = [];
  }
  const { getHeapSpaceStatistics } = await import('node:v8');
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  process.stdout.write(String(young.physical_space_size / 1e6));
`;

/** Megabytes of the young generation of a process that does this first. */
function youngGeneration(first: string): number {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', first + LOAD], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return Number(stdout);
}

test('the young generation stays small, and would not by itself', () => {
  const small = `const { keepYoungGenerationSmall } = await import('${MODULE}'); keepYoungGenerationSmall();`;
  expect(youngGeneration('')).toBeGreaterThan(16);
  expect(youngGeneration(small)).toBeLessThan(8);
});
