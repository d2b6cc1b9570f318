import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeIsolation, ownRights } from '../../src/signer/isolation.ts';

const BEHIND_SOCKET = { isolation: 'own process', uid: 200 };
const bit = (number: number): bigint => 1n << BigInt(number);

test.each([
  ['same user', { isolation: 'same user', uid: 100 }, { uid: 100, capabilities: 0n }],
  ['same user', { isolation: 'same user', uid: 0 }, { uid: 0, capabilities: -1n }],
  ['own process, same user', { isolation: 'own process', uid: 100 }, { uid: 100, capabilities: 0n }],
  ['own user', BEHIND_SOCKET, { uid: 100, capabilities: 0n }],
  ['own user', BEHIND_SOCKET, { uid: 100, capabilities: bit(10) }],
  // DAC_OVERRIDE, SETUID and SYS_PTRACE: each alone reaches a process of another user.
  ...[1, 7, 19].map(
    number =>
      [
        'own process; the core has rights of root',
        BEHIND_SOCKET,
        { uid: 100, capabilities: bit(number) },
      ] as const,
  ),
  ['own process; the core has rights of root', BEHIND_SOCKET, { uid: 0, capabilities: -1n }],
] as const)('%s: a keyholder %o and a core %o', (said, keyholder, core) => {
  expect(describeIsolation(keyholder, core)).toBe(said);
});

test('the rights of a process are those that the kernel names', () => {
  const { uid, capabilities } = ownRights();
  expect(uid).toBe(process.geteuid?.());
  expect(readFileSync('/proc/self/status', 'latin1')).toContain(
    `CapPrm:\t${capabilities.toString(16).padStart(16, '0')}\n`,
  );
});
