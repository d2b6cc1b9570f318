import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/descriptor/bytes.ts';
import * as f from '../../src/descriptor/key-files.ts';
import vector from '../vectors/arti-tor-service-keys.json' with { type: 'json' };
import { expectRefusal } from './expect-refusal.ts';

const secretFile = () => fromHex(vector.secretKeyFile);
const publicFile = () => fromHex(vector.publicKeyFile);

describe('hs_ed25519_secret_key', () => {
  test('the parts are views of the very buffer and belong to the public file', () => {
    const file = secretFile();
    const { scalar, prfHalf } = f.parseSecretKeyFile(file);
    expect(scalar.buffer).toBe(file.buffer);
    expect(toHex(scalar) + toHex(prfHalf)).toBe(vector.secretKeyFile.slice(64));
    const a = BigInt(`0x${toHex(scalar.toReversed())}`) % ed25519.Point.Fn.ORDER;
    expect(ed25519.Point.BASE.multiply(a).toBytes()).toEqual(
      new Uint8Array(f.parsePublicKeyFile(publicFile())),
    );
    file.fill(0);
    expect(scalar.every(byte => byte === 0)).toBe(true);
  });

  test('a prepared buffer that is filled in is a key file', () => {
    const file = new Uint8Array(f.SECRET_KEY_FILE_LENGTH);
    const places = f.prepareSecretKeyFile(file);
    const from = f.parseSecretKeyFile(secretFile());
    places.scalar.set(from.scalar);
    places.prfHalf.set(from.prfHalf);
    expect(toHex(file)).toBe(vector.secretKeyFile);
    expectRefusal('BAD_KEY_FILE', () => f.prepareSecretKeyFile(new Uint8Array(95)));
    expectRefusal('BAD_KEY_FILE', () => f.prepareSecretKeyFile(new Uint8Array(97)));
  });

  test('another length or tag is refused', () => {
    expect(f.parseSecretKeyFile(secretFile()).scalar).toHaveLength(32);
    expectRefusal('BAD_KEY_FILE', () => f.parseSecretKeyFile(secretFile().subarray(0, 95)));
    expectRefusal('BAD_KEY_FILE', () => f.parseSecretKeyFile(new Uint8Array(96)));
    expectRefusal('BAD_KEY_FILE', () => f.parseSecretKeyFile(publicFile()));
    for (const place of [0, 25, 31]) {
      const file = secretFile();
      expectRefusal('BAD_KEY_FILE', () => f.parseSecretKeyFile(file.with(place, (file[place] ?? 0) ^ 1)));
    }
  });

  test('a scalar without its fixed bits is refused', () => {
    const file = secretFile();
    const [low, high] = [file[32] ?? 0, file[63] ?? 0];
    expect(f.parseSecretKeyFile(file.with(32, low ^ 8).with(63, high ^ 1)).scalar).toHaveLength(32);
    for (const bit of [1, 2, 4])
      expectRefusal('BAD_KEY_FILE', () => f.parseSecretKeyFile(file.with(32, low | bit)));
    for (const bit of [0x40, 0x80]) {
      expectRefusal('BAD_KEY_FILE', () => f.parseSecretKeyFile(file.with(63, high ^ bit)));
    }
  });

  test('a key whose second half is empty is refused, because its nonces would be public', () => {
    const file = secretFile().fill(0, 64);
    expectRefusal('BAD_KEY_FILE', () => f.parseSecretKeyFile(file));
    expect(f.parseSecretKeyFile(file.with(95, 1)).prfHalf[31]).toBe(1);
  });
});

describe('public files', () => {
  test('the public key file and hostname of one directory name one identity', () => {
    const kpHsId = f.parsePublicKeyFile(publicFile());
    expect(f.parseHostnameFile(vector.hostname)).toEqual(kpHsId);
    expect(toHex(f.encodePublicKeyFile(kpHsId))).toBe(vector.publicKeyFile);
    expect(f.encodeHostnameFile(kpHsId)).toBe(vector.hostname);
  });

  test('a public key file has its length, its tag and an identity', () => {
    expect(f.parsePublicKeyFile(publicFile())).toHaveLength(32);
    expectRefusal('BAD_KEY_FILE', () => f.parsePublicKeyFile(publicFile().subarray(1)));
    expectRefusal('BAD_KEY_FILE', () => f.parsePublicKeyFile(secretFile().subarray(0, 64)));
    expectRefusal('BAD_KEY_FILE', () => f.parsePublicKeyFile(publicFile().with(25, 0x31)));
    expectRefusal('BAD_KEY', () => f.parsePublicKeyFile(publicFile().fill(0, 32)));
  });

  test('hostname holds one address with .onion and at most one line end', () => {
    const address = vector.hostname.trim();
    expect(f.parseHostnameFile(address)).toHaveLength(32);
    expectRefusal('BAD_KEY_FILE', () => f.parseHostnameFile(address.slice(0, 56)));
    expectRefusal('BAD_KEY_FILE', () => f.parseHostnameFile(`${address}\n\n`));
    expectRefusal('BAD_KEY_FILE', () => f.parseHostnameFile(`${address}\r\n`));
    expectRefusal('BAD_ADDRESS', () => f.parseHostnameFile(`${address}\n${address}`));
    expectRefusal('BAD_ADDRESS', () => f.parseHostnameFile(`a${address.slice(1)}`));
  });
});
