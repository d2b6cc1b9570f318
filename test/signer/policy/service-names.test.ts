import { describe, expect, it } from 'vitest';
import { readServiceNames, ServiceNames } from '../../../src/signer/policy/service-names.ts';
import { EMPTY_POLICY, encodePolicy, type Policy } from '../../../src/signer/policy/types.ts';
import { failure } from '../failure.ts';
import { BACKENDS, load, MASTER, serviceYaml } from './services.ts';

const named = (service: string, address = MASTER.address): Policy =>
  load(serviceYaml('', `service: ${service}\naddress: ${address}\n`));

/** The names of a journal that had these policies. */
const after = (...policies: readonly Policy[]): ServiceNames =>
  readServiceNames({ all: () => policies.map(encodePolicy) });

describe('a service', () => {
  it('may leave policy and come back as it was', () => {
    expect(after(named('frontpage'), EMPTY_POLICY).check(named('frontpage'))).toBeUndefined();
    expect(after(EMPTY_POLICY).check(named('backpage'))).toBeUndefined();
    expect(after(named('frontpage')).all).toEqual([{ service: 'frontpage', address: MASTER.address }]);
  });

  it('takes no other name, also when it was away', () => {
    for (const names of [after(named('frontpage')), after(named('frontpage'), EMPTY_POLICY)]) {
      const error = failure(() => names.check(named('backpage')));
      expect([error.code, error.message]).toEqual([
        'SERVICE-NAME',
        'call the service backpage frontpage again, as it always was',
      ]);
    }
  });

  it('leaves its name to no other address', () => {
    const other = BACKENDS[5]?.address ?? '';
    const error = failure(() => after(named('frontpage'), EMPTY_POLICY).check(named('frontpage', other)));
    expect([error.code, error.message]).toEqual([
      'SERVICE-NAME',
      'frontpage was the name of another address: give this one a new name',
    ]);
  });

  it('cannot change places with another one', () => {
    const [one, two] = [MASTER.address, BACKENDS[5]?.address ?? ''];
    const names = after(named('frontpage', one), named('backpage', two));
    expect(names.check(named('frontpage', one))).toBeUndefined();
    expect(failure(() => names.check(named('frontpage', two))).code).toBe('SERVICE-NAME');
  });
});
