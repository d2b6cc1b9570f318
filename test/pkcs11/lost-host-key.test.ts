import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseHostKeySource } from '../../src/pkcs11/host-key.ts';
import { HostState } from '../../src/pkcs11/host-state.ts';
import { expectCode } from './expect-code.ts';
import { type Rig, createRig } from './keyholder-rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
});
afterAll(() => rig.dispose());

/** Signing keys of the first service, by period. */
async function keysOf(prepare: boolean): Promise<Map<number, string>> {
  const keyholder = rig.keyholder();
  if (prepare) await keyholder.prepare();
  const [service] = keyholder.status().services;
  keyholder.close();
  return new Map(
    service?.periods.map(({ periodNum, kpHsDescSign }) => [
      periodNum,
      Buffer.from(kpHsDescSign).toString('hex'),
    ]),
  );
}

test('without its host key a state is unreadable; after a recovery the token gives each period one key more', async () => {
  const source = parseHostKeySource(rig.paths.hostKey);
  const path = rig.paths.hostKey.slice('file:'.length);
  const before = await keysOf(true);
  expect(before.size).toBeGreaterThanOrEqual(4);
  expect(await keysOf(false)).toEqual(before);

  renameSync(path, `${path}.lost`);
  expectCode('HOST_KEY', () => HostState.open(rig.paths.state, source));
  writeFileSync(path, Buffer.alloc(32, 1), { mode: 0o400 });
  expectCode('STATE_SEALED', () => HostState.open(rig.paths.state, source));
  rmSync(path, { force: true });
  renameSync(`${path}.lost`, path);
  // Back again, everything is: no opening was needed.
  expect(await keysOf(false)).toEqual(before);

  rmSync(path, { force: true });
  HostState.create(rig.paths.state, source, { recover: true });
  expect((await keysOf(false)).size).toBe(0);
  const after = await keysOf(true);
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [periodNum, key] of after) expect(key).not.toBe(before.get(periodNum));
  expect(await keysOf(true)).toEqual(after);
}, 600_000);
