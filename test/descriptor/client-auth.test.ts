import { describe, expect, test } from 'vitest';
import {
  AUTH_CLIENT_LENGTH,
  deriveClientKeys,
  makeAuthClientLine,
  makeFakeAuthClientLine,
  openCookie,
} from '../../src/descriptor/client-auth.ts';
import { concat } from '../../src/descriptor/bytes.ts';
import { parseKpHssDescEnc, parseNHsSubcred } from '../../src/descriptor/keys.ts';
import { x25519PublicKey, x25519SharedSecret } from '../../src/descriptor/primitives.ts';
import { NOBLE_OPENING } from '../../src/descriptor/second-opinion.ts';
import { expectRefusal } from './expect-refusal.ts';
import { noise } from './forge.ts';

describe('client authorization', () => {
  const client = noise('client', 32);
  const ephemeral = noise('ephemeral', 32);
  const cookie = noise('cookie', 16);
  const subcredential = parseNHsSubcred(noise('subcredential', 32));
  const ephemeralKey = parseKpHssDescEnc(x25519PublicKey(ephemeral));
  const keys = deriveClientKeys(x25519SharedSecret(ephemeral, x25519PublicKey(client)), subcredential);
  const line = makeAuthClientLine(keys, noise('iv', 16), cookie);
  const fakes = Array.from({ length: 15 }, (_, i) =>
    makeFakeAuthClientLine(noise(`fake ${i}`, AUTH_CLIENT_LENGTH)),
  );

  test('both implementations derive the same keys', () => {
    const secret = x25519SharedSecret(client, ephemeralKey);
    expect(deriveClientKeys(secret, subcredential, NOBLE_OPENING)).toEqual(keys);
    expect([keys.clientId.length, keys.cookieKey.length]).toEqual([8, 32]);
  });

  test('a client finds its line among fakes and reads the cookie', () => {
    const authClients = [...fakes, line];
    expect(openCookie(client, { ephemeralKey, authClients }, subcredential)).toEqual(cookie);
    expect(openCookie(client, { ephemeralKey, authClients: fakes }, subcredential)).toBeUndefined();
    expect(openCookie(noise('other', 32), { ephemeralKey, authClients }, subcredential)).toBeUndefined();
    const otherPeriod = parseNHsSubcred(noise('other period', 32));
    expect(openCookie(client, { ephemeralKey, authClients }, otherPeriod)).toBeUndefined();
  });

  test('a fake line looks like a true one', () => {
    const lengths = (l: typeof line) => [l.clientId.length, l.iv.length, l.encryptedCookie.length];
    expect(lengths(fakes[0]!)).toEqual(lengths(line));
    const random = noise('fake 0', AUTH_CLIENT_LENGTH);
    expect(concat(fakes[0]!.clientId, fakes[0]!.iv, fakes[0]!.encryptedCookie)).toEqual(random);
  });

  test('fields of other lengths are refused', () => {
    expectRefusal('BAD_LENGTH', () => deriveClientKeys(new Uint8Array(31), subcredential));
    expectRefusal('BAD_LENGTH', () => makeAuthClientLine(keys, new Uint8Array(15), cookie));
    expectRefusal('BAD_LENGTH', () => makeAuthClientLine(keys, new Uint8Array(16), new Uint8Array(32)));
    expectRefusal('BAD_LENGTH', () => makeFakeAuthClientLine(new Uint8Array(39)));
    expectRefusal('BAD_LENGTH', () =>
      openCookie(new Uint8Array(31), { ephemeralKey, authClients: [] }, subcredential),
    );
  });
});
