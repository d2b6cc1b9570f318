import { describe, expect, it } from 'vitest';
import { difference } from '../../../src/signer/policy/difference.ts';
import { checkRetirement } from '../../../src/signer/policy/retired.ts';
import { parsePolicySnapshot } from '../../../src/signer/policy/snapshot.ts';
import { encodePolicy, type Policy, policyDigest } from '../../../src/signer/policy/types.ts';
import { failure } from '../failure.ts';
import { BACKENDS, load, serviceYaml } from './services.ts';

describe('a retired backend', () => {
  const [first, , third] = BACKENDS;
  const retired = (value: string) => ({ name: '_retired.yaml', text: `retired:\n  old-box: ${value}\n` });
  const barred = (): Policy => load(serviceYaml(), retired(`${third?.address}`));
  const back = `backends: { torbox-1: ${first?.address}, torbox-3: ${third?.address} }\n`;
  const withIt = (...more: Parameters<typeof load>): Policy =>
    load(serviceYaml().replace(/backends: .*\n/u, back), ...more);

  it('is kept with the policy', () => {
    expect(barred().retired).toMatchObject([{ name: 'old-box', address: third?.address, mayReturn: false }]);
    expect(policyDigest(parsePolicySnapshot(encodePolicy(barred())))).toBe(policyDigest(barred()));
    expect(difference(load(serviceYaml()), barred()).map(({ loosens }) => loosens)).toEqual([false]);
  });

  it('is no backend of a policy: BACKEND-RETIRED', () => {
    const error = failure(() => withIt(retired(`${third?.address}`)));
    expect(error).toMatchObject({ code: 'BACKEND-RETIRED', file: 'policy-0.yaml', line: 4 });
    expect(failure(() => load(serviceYaml(), retired('x'))).code).toBe('BAD_VALUE');
    expect(failure(() => load(serviceYaml(), { name: '_retired.yaml', text: 'gone: {}\n' })).code).toBe(
      'UNKNOWN_KEY',
    );
  });

  it('does not come back because a file forgot it', () => {
    for (const after of [load(serviceYaml()), withIt()]) {
      const error = failure(() => checkRetirement(barred(), after));
      expect([error.code, error.message]).toEqual([
        'BACKEND-RETIRED',
        expect.stringContaining('put old-box back'),
      ]);
    }
    const file = { name: '_retired.yaml', text: `retired: { other-name: ${third?.address} }\n` };
    const renamed = load(serviceYaml(), file);
    expect(checkRetirement(barred(), renamed)).toBeUndefined();
  });

  it('comes back where policy says so, which loosens, and may then leave the list', () => {
    const returns = retired(`{ address: ${third?.address}, may_return: true }`);
    const after = withIt(returns);
    expect(checkRetirement(barred(), after)).toBeUndefined();
    expect(difference(barred(), after)).toContainEqual({
      service: '(retired)',
      what: third?.address,
      from: 'old-box, never again',
      to: 'old-box, may return',
      loosens: true,
    });
    expect(checkRetirement(after, withIt())).toBeUndefined();
    expect(difference(after, withIt()).map(({ loosens }) => loosens)).toEqual([false]);
  });
});
