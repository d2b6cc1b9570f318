import { createCipheriv, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CustodyError } from '../../src/pkcs11/error.ts';
import type { Mechanism } from '../../src/pkcs11/pkcs11js.ts';
import {
  type AesTokenKey,
  decryptGcm,
  decryptOaep,
  encryptGcm,
  type RsaTokenKey,
} from '../../src/pkcs11/token-keys.ts';
import { expectCode } from './expect-code.ts';

// Tokens that SoftHSM is not: what crosses the door to PKCS#11 is written down, and answered by the test. SoftHSM itself
// is in recipients.test.ts.

const aes: AesTokenKey = {
  kind: 'aes',
  handle: Buffer.alloc(8),
  id: Uint8Array.of(1),
  serial: 's',
  extractable: false,
};
const secret = randomBytes(32);
const plaintext = Buffer.alloc(16, 7);
const aad = Buffer.from('context');

interface GcmParameter {
  readonly iv: Buffer;
  readonly aad: Buffer;
  readonly ivBits: number;
  readonly tagBits: number;
}
const gcmOf = ({ parameter }: Mechanism): GcmParameter => parameter as GcmParameter & typeof parameter;

function seal(iv: Buffer, text: Buffer, context: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', secret, iv).setAAD(context);
  return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** A token that takes only its own nonce: what it then does with the 12 zeros is `write`. */
const ownNonceToken = (write: (iv: Buffer) => void, length = 32) => ({
  encrypt(mechanism: Mechanism, _: Buffer, text: Buffer, out: Buffer): number {
    const parameter = gcmOf(mechanism);
    if (parameter.iv.some(byte => byte !== 0)) throw new CustodyError('MECHANISM', undefined, { ckr: 0x71 });
    write(parameter.iv);
    out.set(seal(parameter.iv, text, parameter.aad));
    return length;
  },
});

describe('the nonce of AES-GCM', () => {
  test('is ours, 12 bytes that are new each time, with a tag of 128 bits and the context', () => {
    const seen: GcmParameter[] = [];
    const token = {
      encrypt(mechanism: Mechanism, _: Buffer, text: Buffer, out: Buffer): number {
        const parameter = gcmOf(mechanism);
        seen.push(parameter);
        out.set(seal(parameter.iv, text, parameter.aad));
        return 32;
      },
    };
    const [one, two] = [encryptGcm(token, aes, plaintext, aad), encryptGcm(token, aes, plaintext, aad)];
    expect(one).toHaveLength(44);
    expect(one.subarray(0, 12)).not.toEqual(two.subarray(0, 12));
    expect(seen.map(({ ivBits, tagBits, aad: context }) => [ivBits, tagBits, context])).toEqual([
      [96, 128, aad],
      [96, 128, aad],
    ]);
  });

  test('is the token’s where it takes no other', () => {
    const own = Buffer.from('0123456789ab');
    const sealed = encryptGcm(
      ownNonceToken(iv => iv.set(own)),
      aes,
      plaintext,
      aad,
    );
    expect(Buffer.from(sealed)).toEqual(Buffer.concat([own, seal(own, plaintext, aad)]));
  });

  test('is never zero, nor may the token give another length than text and tag', () => {
    expectCode('MECHANISM', () =>
      encryptGcm(
        ownNonceToken(() => undefined),
        aes,
        plaintext,
        aad,
      ),
    );
    const longer = ownNonceToken(iv => iv.fill(1), 44);
    expectCode('MECHANISM', () => encryptGcm(longer, aes, plaintext, aad));
  });

  test('is not chosen again when the token fails in another way', () => {
    let calls = 0;
    const token = {
      encrypt(): number {
        calls += 1;
        throw new CustodyError('TOKEN_DEAD');
      },
    };
    expectCode('TOKEN_DEAD', () => encryptGcm(token, aes, plaintext, aad));
    expect(calls).toBe(1);
  });
});

describe('a module that checks no tag', () => {
  const sealed = new Uint8Array(44).fill(9);
  const answering = (length: number) => ({ decrypt: () => length });

  test('gives more than the text, and is refused', () => {
    expect(decryptGcm(answering(16), aes, sealed, aad, Buffer.alloc(512))).toBe(16);
    for (const length of [0, 15, 17, 32])
      expectCode('ENVELOPE_UNWRAP', () => decryptGcm(answering(length), aes, sealed, aad, Buffer.alloc(512)));
  });

  test('is not asked about a text that has no room for a tag', () => {
    for (const length of [0, 12, 28])
      expectCode('ENVELOPE_UNWRAP', () =>
        decryptGcm(answering(16), aes, sealed.subarray(0, length), aad, Buffer.alloc(512)),
      );
  });
});

test.each([
  ['sha1', 0x220, 1],
  ['sha256', 0x250, 2],
] as const)('OAEP with %s is asked for by hash and MGF alike, without a label', (hash, hashAlg, mgf) => {
  const key: RsaTokenKey = {
    kind: 'rsa',
    handle: Buffer.alloc(8),
    modulus: new Uint8Array(256),
    publicExponent: Uint8Array.of(3),
    extractable: false,
  };
  const asked: unknown[] = [];
  const token = {
    decrypt(mechanism: Mechanism): number {
      asked.push(mechanism);
      return 16;
    },
  };
  expect(decryptOaep(token, key, hash, new Uint8Array(256), Buffer.alloc(512))).toBe(16);
  expect(asked).toEqual([{ mechanism: 0x9, parameter: { type: 4, hashAlg, mgf, source: 1 } }]);
  for (const length of [255, 257])
    expectCode('ENVELOPE_UNWRAP', () =>
      decryptOaep(token, key, hash, new Uint8Array(length), Buffer.alloc(512)),
    );
});
