import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { formatStatus } from '../../src/signer/commands/look.ts';
import { findService } from '../../src/signer/policy/types.ts';
import { takeMeasure } from '../../src/signer/operator.ts';
import { describeStatus, isReady } from '../../src/signer/status.ts';
import { createRig, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig } from './core-rig.ts';

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;
beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  keyholder = rig.keyholder();
  await keyholder.prepare();
  core = new CoreRig(rig, keyholder);
});
afterAll(async () => {
  core.dispose();
  keyholder.close();
  await rig.dispose();
});

/** State and code of alpha, and whether all is well. */
async function look(): Promise<readonly [string | undefined, string | undefined, boolean]> {
  const status = await describeStatus(core.context, undefined);
  const alpha = status.services.find(({ service }) => service === 'alpha');
  return [alpha?.state, alpha?.code, status.ready];
}

test('a service of which every publisher was evicted is degraded, and says what to do', async () => {
  const well = await look();
  expect(well[0]).toBe('ready');
  const publishers = findService(core.core.policy(), 'alpha')?.publishers ?? [];
  for (const publisher of publishers) await takeMeasure(core.core, { kind: 'evicted', publisher });
  expect(await look()).toEqual(['degraded', 'NO_PUBLISHER', false]);
  expect(formatStatus(await describeStatus(core.context, undefined))).toContain(
    '  problem   NO_PUBLISHER: every publisher of it is evicted; name another one in policy, or `readmit`\n',
  );
  // Custody is well: nothing to page anybody for at the token.
  expect(await isReady(core.context)).toBe(true);
  await takeMeasure(core.core, { kind: 'readmitted', publisher: publishers[0] ?? '' });
  expect(await look()).toEqual(well);
});
