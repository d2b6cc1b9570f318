import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeProposal, type SignatureFile } from '../../src/signer/policy/approval.ts';
import { EMPTY_POLICY, encodePolicy, type Policy } from '../../src/signer/policy/types.ts';
import { PolicyInForce } from '../../src/signer/policy-in-force.ts';
import type { Keyholder } from '../../src/signer/ports.ts';
import { softwareToken } from '../ssh-keys.ts';
import { rejection } from './failure.ts';
import { TestJournal } from './journal/open-test-journal.ts';
import { load, MASTER, serviceYaml } from './policy/services.ts';

const [anna, ben] = [softwareToken(), softwareToken()];
const policyOf = (administrator: typeof anna, lines = '', head?: string): Policy =>
  load(serviceYaml(lines, head), {
    name: '_administrators.yaml',
    text: `threshold: 1\nadministrators: { one: "${administrator.line}" }\n`,
  });

/** Nothing here asks it. */
const keyholder: Pick<Keyholder, 'status' | 'reload'> = {
  status: () => Promise.reject(new Error('not here')),
  reload: () => Promise.reject(new Error('not here')),
};

let log: TestJournal;
let inForce: PolicyInForce;
beforeEach(async () => {
  log = new TestJournal();
  await log.journal.policies.apply(1, encodePolicy(policyOf(anna)));
  inForce = new PolicyInForce(log.journal, keyholder, 'tor');
});
afterEach(() => log.remove());

/** Signed by `by` as the step to `after` from what is in force now, or from `before`. */
function signed(serial: number, after: Policy, by: typeof anna, before = inForce.policy): SignatureFile[] {
  const step = { signer: inForce.signer, before, names: inForce.names, serial, after };
  return [{ name: 'one.sig', text: by.sign(encodeProposal(step)) }];
}

test('of two policies at the same time the second is judged by those whom the first named', async () => {
  const [second, third] = [policyOf(ben), policyOf(anna, 'limits: { requests: 90/h }\n')];
  const byThoseBefore = signed(3, third, anna);
  const [one, other] = [
    inForce.apply(2, encodePolicy(second), signed(2, second, anna)),
    rejection(inForce.apply(3, encodePolicy(third), byThoseBefore)),
  ];
  await one;
  expect((await other).code).toBe('POLICY_SIGNER');
  expect([inForce.serial, log.journal.policies.current()?.serial]).toEqual([2, 2]);
  await inForce.apply(3, encodePolicy(third), signed(3, third, ben));
  expect(inForce.serial).toBe(3);
});

test('a service that left comes back under its own name only, after a restart too', async () => {
  const renamed = policyOf(anna, '', `service: backpage\naddress: ${MASTER.address}\n`);
  log.remove();
  log = new TestJournal();
  await log.journal.policies.apply(1, encodePolicy(load(serviceYaml())));
  await log.journal.policies.apply(2, encodePolicy(EMPTY_POLICY));
  inForce = new PolicyInForce(log.journal, keyholder, 'tor');
  const error = await rejection(inForce.apply(3, encodePolicy(renamed)));
  expect([error.code, inForce.serial]).toEqual(['SERVICE-NAME', 2]);
  await inForce.apply(3, encodePolicy(load(serviceYaml())));
  expect(inForce.serial).toBe(3);
});
