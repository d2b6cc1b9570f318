import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TOR_NETWORK, parseKpHsDescSign } from '../../src/descriptor/index.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { parseHostKeySource } from '../../src/pkcs11/host-key.ts';
import { HostState } from '../../src/pkcs11/host-state.ts';
import type { KeyholderList } from '../../src/pkcs11/list.ts';
import { recordName } from '../../src/pkcs11/signing-key-record.ts';
import { SigningKeys } from '../../src/pkcs11/signing-keys.ts';
import { TokenBook } from '../../src/pkcs11/token-book.ts';
import { ed25519Pair } from '../descriptor/forge.ts';
import { createSoftHsm } from '../softhsm/create-softhsm.ts';

test('keys that are gone from the token are missed until whoever used them has let go of them', async () => {
  const hsm = await createSoftHsm();
  const folder = mkdtempSync(join(tmpdir(), 'signing-keys-'));
  const hostKey = join(folder, 'host-key');
  writeFileSync(hostKey, randomBytes(32), { mode: 0o400 });
  const source = parseHostKeySource(`file:${hostKey}`);
  HostState.create(join(folder, 'state'), source);
  const host = HostState.open(join(folder, 'state'), source);
  const gone = { id: randomBytes(16), kpHsDescSign: parseKpHsDescSign(ed25519Pair('gone').publicKey) };
  host.save({ spareKeys: [gone] });
  const list: KeyholderList = {
    serial: 1,
    profile: TOR_NETWORK,
    aheadSeconds: 1,
    runwaySeconds: 1,
    deadlineMs: 120_000,
    tokens: [{ uri: hsm.uri, modulePath: hsm.modulePath }],
    pinSource: hsm.pinSource,
    retired: [],
    periodKeys: 'token',
    services: [],
  };
  const missed: string[][] = [];
  const keys = new SigningKeys({
    host,
    list: () => list,
    tokens: new TokenBook(),
    onMissing: names => {
      missed.push([...names]);
      // The disk refuses once.
      if (missed.length === 1) throw new CustodyError('STATE_WRITE');
    },
    tokenEnv: hsm.env,
  });
  try {
    keys.settle(true);
    await expect.poll(() => keys.token.status.state, { timeout: 120_000, interval: 20 }).toBe('up');
    expect(missed).toEqual([[recordName(gone)], [recordName(gone)]]);
    expect(keys.spareCount).toBe(0);
  } finally {
    keys.close();
    host.close();
    rmSync(folder, { recursive: true });
    await hsm.dispose();
  }
});
