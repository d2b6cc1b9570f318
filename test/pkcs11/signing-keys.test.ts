import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { TOR_NETWORK, parseKpHsDescSign } from '../../src/descriptor/index.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { parseHostKeySource } from '../../src/pkcs11/host-key.ts';
import { HostState } from '../../src/pkcs11/host-state.ts';
import type { KeyholderList } from '../../src/pkcs11/list.ts';
import { CKA_ID } from '../../src/pkcs11/pkcs11-constants.ts';
import { recordName } from '../../src/pkcs11/signing-key-record.ts';
import { SigningKeys } from '../../src/pkcs11/signing-keys.ts';
import { ed25519Pair } from '../descriptor/forge.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';

let modules: MisbehavingModules;
beforeAll(() => {
  modules = compileMisbehavingModule();
});
afterAll(() => modules.dispose());

let hsm: SoftHsm;
let folder: string;
let host: HostState;
beforeEach(async () => {
  hsm = await createSoftHsm();
  folder = mkdtempSync(join(tmpdir(), 'signing-keys-'));
  const hostKey = join(folder, 'host-key');
  writeFileSync(hostKey, randomBytes(32), { mode: 0o400 });
  const source = parseHostKeySource(`file:${hostKey}`);
  HostState.create(join(folder, 'state'), source);
  host = HostState.open(join(folder, 'state'), source);
});
afterEach(async () => {
  host.close();
  rmSync(folder, { recursive: true });
  await hsm.dispose();
});

/** What is kept in the token, as the module shows it. */
function keysThrough(
  modulePath: string,
  pinSource: string,
  onMissing: (names: ReadonlySet<string>) => void,
): SigningKeys {
  const list: KeyholderList = {
    serial: 1,
    profile: TOR_NETWORK,
    aheadSeconds: 1,
    runwaySeconds: 1,
    deadlineMs: 120_000,
    tokens: [{ uri: `pkcs11:token=${hsm.label}`, modulePath }],
    pinSource,
    retired: [],
    periodKeys: 'token',
    lockedMemory: 'required',
    services: [],
  };
  return new SigningKeys({ host, list: () => list, onMissing, tokenEnv: hsm.env });
}

/** Brings the token into reach, and lets go of it. */
async function enter(pinSource: string, onMissing: (names: ReadonlySet<string>) => void): Promise<number> {
  const keys = keysThrough(hsm.modulePath, pinSource, onMissing);
  try {
    keys.settle(true);
    await expect.poll(() => keys.token.status.state, { timeout: 120_000, interval: 20 }).toBe('up');
    return keys.spareCount;
  } finally {
    keys.close();
  }
}

test('keys that are gone from the token are missed until whoever used them has let go of them', async () => {
  const gone = { id: randomBytes(16), kpHsDescSign: parseKpHsDescSign(ed25519Pair('gone').publicKey) };
  host.save({ spareKeys: [gone] });
  const missed: string[][] = [];
  const spareCount = await enter(hsm.pinSource, names => {
    missed.push([...names]);
    // The disk refuses once.
    if (missed.length === 1) throw new CustodyError('STATE_WRITE');
  });
  expect(missed).toEqual([[recordName(gone)], [recordName(gone)]]);
  expect(spareCount).toBe(0);
});

test.each(['return 0x30', 'return 0x5', 'return 0x12', `attribute ${CKA_ID}`, `zero ${CKA_ID}`])(
  'a key stays recorded, and on the token, when its attributes are read so: %s',
  async deed => {
    const module = modules.create(hsm.modulePath);
    const missed: string[] = [];
    const start = (): SigningKeys => {
      const keys = keysThrough(module.modulePath, hsm.pinSource, names => missed.push(...names));
      keys.settle(true);
      return keys;
    };
    const maker = start();
    await maker.ready();
    await maker.refill(1);
    maker.close();
    expect(host.state.spareKeys).toHaveLength(1);
    module.command(`C_GetAttributeValue ${deed}`);
    module.forgetCalls();
    const keys = start();
    try {
      const tried = (): boolean => keys.token.status.state === 'up' || keys.token.status.downSince > 0;
      await expect.poll(tried, { timeout: 120_000, interval: 20 }).toBe(true);
      expect(keys.token.status).toMatchObject({ errorCode: 'TOKEN_DEAD' });
      expect(module.count('C_GetAttributeValue')).toBeGreaterThan(0);
      expect(module.count('C_DestroyObject')).toBe(0);
      module.command();
      // It signs with what it finds: the key is there.
      await expect.poll(() => keys.token.status.state, { timeout: 120_000, interval: 20 }).toBe('up');
      expect([missed, keys.spareCount, host.state.spareKeys.length]).toEqual([[], 1, 1]);
    } finally {
      keys.close();
    }
  },
);

test('a PIN that was corrected while the wrong one was tried is tried', async () => {
  const pinFile = join(folder, 'pin');
  writeFileSync(pinFile, '000000\n', { mode: 0o600 });
  const save = host.save.bind(host);
  const saving = vi.spyOn(host, 'save');
  saving.mockImplementation(changes => {
    save(changes);
    // An attempt has begun: the PIN was read.
    if (changes.pins !== undefined) writeFileSync(pinFile, readFileSync(hsm.pinFile));
    if (changes.pins !== undefined) saving.mockImplementation(save);
  });
  await enter(`file:${pinFile}`, () => undefined);
  expect(host.state.refusedPins).toHaveLength(1);
  // Of this token, and of some token.
  expect(host.state.takenPins).toHaveLength(2);
});
