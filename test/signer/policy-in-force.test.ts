import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeProposal, type SignatureFile } from '../../src/signer/policy/approval.ts';
import { EMPTY_POLICY, encodePolicy, type Policy } from '../../src/signer/policy/types.ts';
import { type ListIdentity, PolicyInForce } from '../../src/signer/policy-in-force.ts';
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

const [OURS, OTHER] = ['ab'.repeat(32), 'cd'.repeat(32)];

let log: TestJournal;
let inForce: PolicyInForce;
beforeEach(async () => {
  log = new TestJournal();
  await log.journal.policies.apply(1, encodePolicy(policyOf(anna)));
  inForce = new PolicyInForce(log.journal, keyholder, 'tor', () => undefined);
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
  inForce = new PolicyInForce(log.journal, keyholder, 'tor', () => undefined);
  const error = await rejection(inForce.apply(3, encodePolicy(renamed)));
  expect([error.code, inForce.serial]).toEqual(['SERVICE-NAME', 2]);
  await inForce.apply(3, encodePolicy(load(serviceYaml())));
  expect(inForce.serial).toBe(3);
});

test.each<[string, ListIdentity, ListIdentity | undefined, string]>([
  ['the list of the policy', { serial: 1, digest: OURS }, { serial: 1, digest: OURS }, 'in step'],
  ['another list of that serial', { serial: 1, digest: OTHER }, { serial: 1, digest: OURS }, 'POLICY_SERIAL'],
  ['an older list', { serial: 0, digest: OURS }, { serial: 1, digest: OURS }, 'POLICY_SERIAL'],
  // Another apply has written its list and is not in force yet.
  [
    'a list that is not the newest on disk',
    { serial: 1, digest: OURS },
    { serial: 2, digest: OTHER },
    'in step',
  ],
  ['a list that cannot be seen from here', { serial: 1, digest: OURS }, undefined, 'in step'],
])('a keyholder that has read %s', async (_, { serial, digest }, onDisk, outcome) => {
  let reloads = 0;
  const reader = {
    status: () => Promise.resolve({ listSerial: serial, listDigest: digest }),
    reload: () => Promise.resolve(void (reloads += 1)),
  };
  const policy = new PolicyInForce(log.journal, reader, 'tor', () => onDisk);
  if (outcome === 'in step') await policy.settle();
  else expect((await rejection(policy.settle())).code).toBe(outcome);
  // It was asked to read its list again, and only then.
  expect(reloads).toBe(outcome === 'in step' ? 0 : 1);
});
