import { ed25519 } from '@noble/curves/ed25519.js';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex } from '../../src/descriptor/bytes.ts';
import * as c from '../../src/descriptor/ed25519-cert.ts';
import { nobleVerify } from '../../src/descriptor/noble-verify.ts';
import { x25519PublicKey } from '../../src/descriptor/primitives.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import blinding from '../vectors/tor-ed25519-blinding.json' with { type: 'json' };
import { expectRefusal } from './expect-refusal.ts';

const SEED = new Uint8Array(32).fill(9);
const SIGNING_KEY = ed25519.getPublicKey(SEED);
const CERTIFIED_KEY = fromHex(chain.kpHsDescSign);
const CERT = fromHex(chain.descSigningCert);
const BODY = c.encodeCertBody({
  certType: c.CERT_TYPE.authKey,
  expiryHours: 1000,
  certifiedKey: CERTIFIED_KEY,
  signingKey: SIGNING_KEY,
});
const sign = (body: Uint8Array) => concat(body, ed25519.sign(body, SEED));
const expected = { certType: c.CERT_TYPE.authKey, signingKey: SIGNING_KEY };

/** One extension: length, type, flags, data. */
const ext = (type: number, flags: number, data: Uint8Array) =>
  concat(Uint8Array.of(data.length >> 8, data.length & 0xff, type, flags), data);
const signedWith = ext(4, 0, SIGNING_KEY);
const withExtensions = (...extensions: Uint8Array[]) =>
  sign(concat(BODY.subarray(0, 39), Uint8Array.of(extensions.length), ...extensions));

describe('making certificates', () => {
  test('our own certificate of type 08 is reproduced byte by byte', () => {
    const body = c.encodeCertBody({
      certType: c.CERT_TYPE.descSigning,
      expiryHours: chain.certExpiryHours,
      certifiedKey: CERTIFIED_KEY,
      signingKey: fromHex(chain.kpHsBlindId),
    });
    expect(body).toHaveLength(76);
    expect(toHex(c.assembleCert(body, CERT.subarray(76)))).toBe(chain.descSigningCert);
  });

  test('what is made is read back', () => {
    const key = () => fc.uint8Array({ minLength: 32, maxLength: 32 });
    const types = fc.constantFrom(...Object.values(c.CERT_TYPE));
    fc.assert(
      fc.property(
        types,
        fc.nat(0xffff_ffff),
        key(),
        key(),
        (certType, expiryHours, certifiedKey, signingKey) => {
          const fields = { certType, expiryHours, certifiedKey, signingKey };
          const bytes = c.assembleCert(c.encodeCertBody(fields), new Uint8Array(64).fill(7));
          const cert = c.parseCert(bytes);
          expect(cert).toMatchObject({ ...fields, certifiedKeyType: 1, bytes });
          expect(c.assembleCert(cert.body, cert.signature)).toEqual(bytes);
        },
      ),
    );
  });

  test('fields of another size are refused', () => {
    const good = { ...expected, expiryHours: 0xffff_ffff, certifiedKey: CERTIFIED_KEY };
    expect(c.encodeCertBody(good)).toHaveLength(76);
    expectRefusal('BAD_INTEGER', () => c.encodeCertBody({ ...good, expiryHours: 2 ** 32 }));
    expectRefusal('BAD_INTEGER', () => c.encodeCertBody({ ...good, expiryHours: 0.5 }));
    expectRefusal('BAD_LENGTH', () => c.encodeCertBody({ ...good, certifiedKey: new Uint8Array(31) }));
    expectRefusal('BAD_LENGTH', () => c.encodeCertBody({ ...good, signingKey: new Uint8Array(33) }));
    expectRefusal('BAD_LENGTH', () => c.assembleCert(BODY.subarray(1), new Uint8Array(64)));
    expectRefusal('BAD_LENGTH', () => c.assembleCert(BODY, new Uint8Array(63)));
  });
});

describe('reading certificates', () => {
  test('a certificate keeps its own copy of the bytes', () => {
    const source = new Uint8Array(CERT);
    const cert = c.parseCert(source);
    source.fill(0);
    expect(toHex(cert.bytes)).toBe(chain.descSigningCert);
    expect(toHex(cert.signingKey)).toBe(chain.kpHsBlindId);
  });

  // arti, crates/tor-cert/tests/testvec_certs.rs: type 4 from a CERTS cell
  test('a certificate of another type is read and verifies with its own key', () => {
    const cert = c.parseCert(
      fromHex(
        '01040006cc2a01f82294b866a31f01fc5d0da8572850a9b929545c3266558d7d2316e3b74172b0010020040' +
          '0dcb604db2034b00fd16986d4adb9d16b21cb4e4457a33dec0f538903683e96e9' +
          'ff1a5203fa27f86ef7528d89a0845d2520166e340754ffea2aae0f612b7ce5da' +
          '094a0236cdac45034b0b6842c18e7f6b51b93a3cf7e60663b8ad061c30a62602',
      ),
    );
    expect(cert).toMatchObject({ certType: 4, expiryHours: 0x6cc2a });
    expect(nobleVerify(cert.body, cert.signature, cert.signingKey)).toBe(true);
    expectRefusal('BAD_CERT', () => c.verifyCert(cert, { ...expected, signingKey: cert.signingKey }));
  });

  test('every shorter certificate is refused, and every longer one', () => {
    expect(c.parseCert(CERT).bytes).toHaveLength(140);
    for (let length = 0; length < CERT.length; length++) {
      expect(() => c.parseCert(CERT.subarray(0, length))).toThrow(
        expect.objectContaining({ name: 'DescriptorError' }),
      );
    }
    expectRefusal('TRAILING_DATA', () => c.parseCert(concat(CERT, Uint8Array.of(0))));
  });

  test('only version 1 is read', () => {
    expectRefusal('UNKNOWN_VERSION', () => c.parseCert(CERT.with(0, 2)));
    expectRefusal('UNKNOWN_VERSION', () => c.parseCert(CERT.with(0, 0)));
  });

  test('the signing key stands in exactly one extension', () => {
    expect(c.parseCert(withExtensions(signedWith)).signingKey).toEqual(SIGNING_KEY);
    expectRefusal('BAD_CERT', () => c.parseCert(withExtensions()));
    expectRefusal('BAD_CERT', () => c.parseCert(withExtensions(signedWith, signedWith)));
    expectRefusal('BAD_CERT', () => c.parseCert(withExtensions(ext(4, 0, SIGNING_KEY.subarray(1)))));
    expectRefusal('BAD_CERT', () =>
      c.parseCert(withExtensions(ext(4, 0, concat(SIGNING_KEY, Uint8Array.of(0))))),
    );
    expectRefusal('BAD_CERT', () => c.parseCert(withExtensions(ext(4, 1, SIGNING_KEY))));
  });

  test('an unknown extension is read over unless it affects validation', () => {
    const data = Uint8Array.of(1, 2, 3);
    for (const flags of [0, 2, 0xfe]) {
      const cert = c.parseCert(
        withExtensions(ext(9, flags, data), signedWith, ext(9, flags, new Uint8Array(0))),
      );
      c.verifyCert(cert, expected);
    }
    expectRefusal('BAD_CERT', () => c.parseCert(withExtensions(ext(9, 1, data), signedWith)));
    expectRefusal('BAD_CERT', () => c.parseCert(withExtensions(signedWith, ext(9, 0xff, data))));
  });

  test('an extension that reaches into the signature is refused', () => {
    expectRefusal('BAD_CERT', () => c.parseCert(CERT.with(41, 0x21)));
    expectRefusal('BAD_CERT', () => c.parseCert(CERT.with(39, 2)));
    expectRefusal('TRAILING_DATA', () => c.parseCert(CERT.with(39, 0)));
  });
});

describe('verifying certificates', () => {
  const cert = c.parseCert(sign(BODY));

  test('our own certificate verifies under the blinded key, with both implementations', () => {
    const place = { certType: c.CERT_TYPE.descSigning, signingKey: fromHex(chain.kpHsBlindId) };
    c.verifyCert(c.parseCert(CERT), place);
    c.verifyCert(c.parseCert(CERT), { ...place, verify: nobleVerify });
  });

  test('type and certified key type must be what the place demands', () => {
    c.verifyCert(cert, expected);
    expectRefusal('BAD_CERT', () => c.verifyCert(cert, { ...expected, certType: c.CERT_TYPE.encKey }));
    const rsa = c.parseCert(sign(BODY.with(6, 2)));
    expectRefusal('BAD_CERT', () => c.verifyCert(rsa, expected));
  });

  test('another signing key is refused, whoever signed', () => {
    expectRefusal('WRONG_KEY', () => c.verifyCert(cert, { ...expected, signingKey: CERTIFIED_KEY }));
    expectRefusal('WRONG_KEY', () =>
      c.verifyCert(cert, { ...expected, signingKey: SIGNING_KEY.subarray(1) }),
    );
  });

  test('it is good up to the first second of its expiry hour', () => {
    c.verifyCert(cert, { ...expected, nowSeconds: 1000 * 3600 });
    expectRefusal('CERT_EXPIRED', () => c.verifyCert(cert, { ...expected, nowSeconds: 1000 * 3600 + 1 }));
    expectRefusal('CERT_EXPIRED', () => c.verifyCert(cert, { ...expected, nowSeconds: Number.NaN }));
  });

  test('one altered bit anywhere is refused', () => {
    const bytes = cert.bytes;
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (place, bit) => {
        const altered = bytes.with(place, (bytes[place] ?? 0) ^ (1 << bit));
        expect(() => c.verifyCert(c.parseCert(altered), expected)).toThrow();
      }),
    );
    expectRefusal('BAD_SIGNATURE', () => c.verifyCert(c.parseCert(bytes.with(2, 1)), expected));
  });

  test('the verifier that is passed decides', () => {
    c.verifyCert(c.parseCert(cert.bytes.with(100, 0)), { ...expected, verify: () => true });
    expectRefusal('BAD_SIGNATURE', () => c.verifyCert(cert, { ...expected, verify: () => false }));
  });
});

describe('the Ed25519 form of an enc-key', () => {
  test('our own pair is reproduced', () => {
    expect(toHex(c.x25519ToEd25519(fromHex(chain.x25519PublicKey)))).toBe(chain.x25519AsEd25519);
  });

  test.each(blinding.vectors)(
    '$curve25519PublicKey gives the Ed25519 key of tor without its sign',
    vector => {
      const key = fromHex(vector.publicKey);
      const unsigned = key.with(31, (key[31] ?? 0) & 0x7f);
      expect(c.x25519ToEd25519(fromHex(vector.curve25519PublicKey))).toEqual(unsigned);
    },
  );

  test('it is the inverse of the birational map for any key pair', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), secret => {
        const u = x25519PublicKey(secret);
        const y = c.x25519ToEd25519(u);
        expect((y[31] ?? 0) & 0x80).toBe(0);
        expect(ed25519.utils.toMontgomery(y)).toEqual(u);
      }),
      { numRuns: 30 },
    );
  });

  test('keys of low order, on the twist or not canonical have none', () => {
    const [zero, onTwist, aboveP] = ['00'.repeat(32), `02${'00'.repeat(31)}`, `${'ff'.repeat(31)}7f`];
    expect(c.x25519ToEd25519(fromHex(`09${'00'.repeat(31)}`))).toHaveLength(32);
    for (const hex of [zero, onTwist, aboveP]) {
      expectRefusal('BAD_KEY', () => c.x25519ToEd25519(fromHex(hex)));
    }
    expectRefusal('BAD_KEY', () => c.x25519ToEd25519(new Uint8Array(31)));
  });
});
