import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatOnionAddress, fromHex } from '../../src/descriptor/index.ts';
import type { SealedIdentity } from '../../src/pkcs11/seal-messages.ts';
import keyFiles from '../vectors/arti-tor-service-keys.json' with { type: 'json' };
import onionbalanceKey from '../vectors/onionbalance-key.json' with { type: 'json' };
import { expectCodeOf } from './expect-code.ts';
import { createTokenRig, type TokenRig } from './token-rig.ts';

let rig: TokenRig;
beforeAll(async () => {
  rig = await createTokenRig();
});
afterAll(() => rig.dispose());

describe('importing', () => {
  const secretKeyFile = fromHex(keyFiles.secretKeyFile);
  const hsId = fromHex(keyFiles.publicKeyFile).subarray(32);

  async function importFrom(content: Uint8Array, mode = 0o600): Promise<SealedIdentity> {
    const path = join(rig.hsm.folder, 'hs_ed25519_secret_key');
    await writeFile(path, content);
    await chmod(path, mode);
    return rig.client().seal(rig.sealRequest({ source: { kind: 'import', path } }));
  }

  test('seals the key file of tor as it is and says until when it was online', async () => {
    const imported = await importFrom(secretKeyFile);
    expect(Uint8Array.from(imported.kpHsId)).toEqual(Uint8Array.from(hsId));
    expect(imported.origin).toBe(`imported-${new Date().toISOString().slice(0, 10)}`);
    expect(rig.age.decrypt(imported.envelope)?.subarray(0, 96)).toEqual(Buffer.from(secretKeyFile));
  });

  test('refuses what is not exactly such a file', async () => {
    const unclamped = Uint8Array.from(secretKeyFile);
    unclamped[32] = (unclamped[32] ?? 0) | 1;
    const otherTag = Uint8Array.from(secretKeyFile).fill(0x20, 0, 3);
    const longer = Buffer.concat([secretKeyFile, Buffer.of(0)]);
    for (const content of [secretKeyFile.slice(0, 95), longer, unclamped, otherTag, new Uint8Array(0)]) {
      await expectCodeOf('IDENTITY_FILE', importFrom(content));
    }
  });

  test('expands the PEM key of Onionbalance to the address that Onionbalance gives it', async () => {
    const imported = await importFrom(Buffer.from(onionbalanceKey.pem));
    expect(formatOnionAddress(imported.kpHsId)).toBe(`${onionbalanceKey.address}.onion`);
    const file = rig.age.decrypt(imported.envelope)?.subarray(0, 96);
    expect(file?.subarray(0, 29).toString('latin1')).toBe('== ed25519v1-secret: type0 ==');
    expect(file?.subarray(32)).toEqual(expandedByDefinition(onionbalanceKey.pem));
    await expectCodeOf('IDENTITY_SOURCE', importFrom(Buffer.from(onionbalanceKey.pem), 0o644));
  });

  test('refuses a PEM key that is encrypted, of another kind, torn or too long, each with its reason', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = (options: object = {}) =>
      Buffer.from(privateKey.export({ format: 'pem', type: 'pkcs8', ...options }) as string);
    expect((await importFrom(pem())).kpHsId).toHaveLength(32);
    const encrypted = pem({ cipher: 'aes-256-cbc', passphrase: 'x' });
    await expectCodeOf('IDENTITY_ENCRYPTED', importFrom(encrypted));
    const other = generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
    const long = Buffer.concat([pem(), Buffer.alloc(2000, '\n')]);
    for (const content of [Buffer.from(other), pem().subarray(1), pem().subarray(0, 100), long]) {
      await expectCodeOf('IDENTITY_FILE', importFrom(content));
    }
  });

  test('refuses a file that others may read, and one that is not there', async () => {
    await expectCodeOf('IDENTITY_SOURCE', importFrom(secretKeyFile, 0o640));
    const source = { kind: 'import', path: join(rig.hsm.folder, 'none') } as const;
    await expectCodeOf('IDENTITY_SOURCE', rig.client().seal(rig.sealRequest({ source })));
    expect((await importFrom(secretKeyFile, 0o400)).kpHsId).toHaveLength(32);
  });
});

/** SHA-512 of the seed, clamped (RFC 8032 §5.1.5). */
function expandedByDefinition(pem: string): Buffer {
  const seed = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' }).subarray(16);
  const expanded = createHash('sha512').update(seed).digest();
  expanded[0] = expanded[0]! & 0xf8;
  expanded[31] = (expanded[31]! & 0x3f) | 0x40;
  return expanded;
}
