import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadPolicy } from '../../../src/signer/policy/load.ts';

const EXAMPLES = fileURLToPath(new URL('../../../policies/examples', import.meta.url));

it('the example policies load as they stand, with their defaults beneath them', () => {
  const { services } = loadPolicy(EXAMPLES, { publishers: new Set(['vps1']) });
  expect(services.map(({ service }) => service)).toEqual(['frontpage', 'intake', 'shop', 'wiki']);
  expect(services.slice(2).map(({ limits }) => [limits.minBackends, limits.maxPoints])).toEqual([
    [1, 10],
    [2, 10],
  ]);
  expect(services[0]?.limits).toMatchObject({ minBackends: 2, minPoints: 6 });
  expect(services[1]).toMatchObject({ clients: [{ name: 'alice' }, { name: 'bob' }], caaCritical: true });
  expect(services[0]?.backends.filter(({ enabled }) => enabled)).toHaveLength(2);
});

it('and are refused where their publisher is unknown', () => {
  expect(() => loadPolicy(EXAMPLES, { publishers: new Set(['other']) })).toThrow(
    expect.objectContaining({ code: 'POLICY_PUBLISHER' }),
  );
});
