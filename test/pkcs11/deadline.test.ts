import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMisbehaviourRig, type MisbehaviourRig } from './misbehaviour-rig.ts';

let rig: MisbehaviourRig;
beforeAll(async () => {
  rig = await createMisbehaviourRig();
});
afterAll(() => rig.dispose());

test('the deadline counts for each opening anew, so that a slow card serves many; not for one that takes longer', async () => {
  const began = performance.now();
  expect(await rig.open(rig.module())).toBe('opened');
  const deadlineMs = 3_000 + Math.ceil(8 * (performance.now() - began));
  const slow = rig.module();
  slow.command(`C_Decrypt slow ${Math.ceil(0.6 * deadlineMs)}`);
  const start = performance.now();
  expect(await rig.open(slow, { deadlineMs }, 2)).toBe('opened');
  // Together they took longer than one deadline: the control.
  expect(performance.now() - start).toBeGreaterThan(deadlineMs);
  const slower = rig.module();
  slower.command(`C_Decrypt slow ${2 * deadlineMs}`);
  expect(await rig.open(slower, { deadlineMs }, 2)).toBe('TOKEN_TIMEOUT');
  expect(slower.count('C_Decrypt')).toBe(1);
}, 600_000);
