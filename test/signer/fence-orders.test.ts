import { afterAll, expect, test } from 'vitest';
import { settleMeasures, takeMeasure } from '../../src/signer/operator.ts';
import { createRig, now } from '../pkcs11/keyholder-rig.ts';
import { CoreRig } from './core-rig.ts';

const rig = await createRig();
rig.writeList();
const keyholder = rig.keyholder();
const coreRig = new CoreRig(rig, keyholder, '{ points: 2..20 }');
const { core } = coreRig;
const { journal } = core;
afterAll(async () => {
  coreRig.dispose();
  keyholder.close();
  await rig.dispose();
});

const kinds = (): string[] => [...journal.archive.entries()].map(({ entry }) => entry.kind);

test('a fence that is ordered anew while one is raised is raised again, and not answered by that one', async () => {
  const fence = core.keyholder.fence.bind(core.keyholder);
  let raisings = 0;
  Object.assign(core.keyholder, {
    fence: async (kpHsId: typeof rig.alpha) => {
      raisings += 1;
      await fence(kpHsId);
      if (raisings > 1) return;
      // Meanwhile the first order is answered, and a second one is given.
      await settleMeasures(core);
      expect(journal.measures.inForce.isFencing('alpha')).toBe(false);
      await journal.measures.record({ kind: 'fencing', service: 'alpha' }, now());
    },
  });
  const report = await takeMeasure(core, { kind: 'fenced', service: 'alpha' });
  expect([report.settled, raisings]).toEqual([false, 2]);
  expect(journal.measures.inForce.isFencing('alpha')).toBe(true);
  await settleMeasures(core);
  expect(raisings).toBe(3);
  expect(journal.measures.inForce.isFencing('alpha')).toBe(false);
  expect(kinds().slice(-4)).toEqual(['fencing', 'fenced', 'fencing', 'fenced']);
});
