import { describe, expect, it } from 'vitest';
import { checkNewNames, readServiceNames, ServiceNames } from '../../../src/signer/policy/service-names.ts';
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

describe('a name that no policy had yet', () => {
  const other = BACKENDS[5]?.address ?? '';
  const held = [{ service: 'frontpage', address: MASTER.address }];

  it('is that of the identity sealed here, if one is', () => {
    for (const policy of [named('frontpage'), named('backpage', other)]) {
      expect(checkNewNames(after(), policy, held)).toBeUndefined();
      expect(checkNewNames(after(), policy, [])).toBeUndefined();
    }
  });

  it('is not taken for another address or under another name: neither could ever be corrected', () => {
    const refused = (policy: Policy): readonly [string, string] => {
      const { code, message } = failure(() => checkNewNames(after(), policy, held));
      return [code, message];
    };
    expect(refused(named('frontpge'))).toEqual([
      'BAD_VALUE',
      'frontpge: this address is sealed here as frontpage; call it so, or correct `address`',
    ]);
    expect(refused(named('frontpage', other))).toEqual([
      'BAD_VALUE',
      'frontpage: the identity of this name has another address; correct it: see `key list`',
    ]);
  });

  it('is not asked of one that is in force: its identity may have been moved away', () => {
    const before = after(named('frontpage', other));
    expect(checkNewNames(before, named('frontpage', other), held)).toBeUndefined();
  });
});
