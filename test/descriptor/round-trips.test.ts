// Whatever a format can hold is written and read back. Whole descriptors: assemble.test.ts; encodings: bytes.test.ts;
// certificates: ed25519-cert.test.ts; addresses, PEM keys and client files: beside their other tests.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asciiBytes, concat, encodeBase64, wrapBase64 } from '../../src/descriptor/bytes.ts';
import {
  AUTH_CLIENT_LENGTH,
  deriveClientKeys,
  makeAuthClientLine,
  makeFakeAuthClientLine,
  openCookie,
} from '../../src/descriptor/client-auth.ts';
import {
  type LinkSpecifier,
  encodeIntroductionPoint,
  encodeLinkSpecifiers,
  parseIntroductionPoint,
  parseLinkSpecifiers,
} from '../../src/descriptor/introduction-point.ts';
import * as files from '../../src/descriptor/key-files.ts';
import { parseKpHssDescEnc, parseNHsSubcred } from '../../src/descriptor/keys.ts';
import {
  INNER_CONSTANT,
  MIDDLE_CONSTANT,
  decryptLayer,
  encryptLayer,
  padMiddle,
  unpadMiddle,
} from '../../src/descriptor/layer-crypt.ts';
import { encodeMiddleLayer, parseMiddleLayer } from '../../src/descriptor/middle-layer.ts';
import { encodeObject, parseNetdoc } from '../../src/descriptor/netdoc.ts';
import {
  encodeUnsignedOuter,
  encodeSignatureLine,
  parseOuterLayer,
} from '../../src/descriptor/outer-layer.ts';
import { x25519PublicKey, x25519SharedSecret } from '../../src/descriptor/primitives.ts';
import { ed25519Pair, forge, identity, makePoint, noise } from './forge.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const blob = fc.uint8Array({ minLength: 1, maxLength: 300 });
const { parts } = forge();

describe('items of a document', () => {
  const word = fc.stringMatching(/^[!-~]{1,12}$/);
  const item = fc.record({
    keyword: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9-]{0,20}$/).filter(text => text !== 'opt'),
    args: fc.array(word, { maxLength: 4 }),
    object: fc.option(fc.record({ label: fc.constantFrom('MESSAGE', 'ED25519 CERT'), bytes: blob }), {
      nil: undefined,
    }),
  });

  test('are read back in their order, with arguments and objects', () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 8 }), fc.boolean(), (items, lastLf) => {
        const text = items
          .map(({ keyword, args, object }) => {
            const line = [keyword, ...args].join(' ');
            return `${line}\n${object === undefined ? '' : encodeObject(object.label, object.bytes)}`;
          })
          .join('');
        const read = parseNetdoc(asciiBytes(lastLf ? text : text.slice(0, -1)));
        expect(read.map(({ keyword, args, object }) => ({ keyword, args, object }))).toEqual(items);
        expect(read.map(({ offset, keyword }) => text.startsWith(keyword, offset))).not.toContain(false);
      }),
    );
  });
});

describe('introduction points', () => {
  const known = fc.oneof(
    bytes(6).map(data => ({ type: 0, data })),
    bytes(18).map(data => ({ type: 1, data })),
  );
  const unknown = fc.record({
    type: fc.integer({ min: 4, max: 255 }),
    data: fc.uint8Array({ maxLength: 255 }),
  });
  const specifiers = fc
    .tuple(fc.array(fc.oneof(known, unknown), { maxLength: 6 }), bytes(20), bytes(32))
    .map(([others, rsaId, ed25519Id]): LinkSpecifier[] => [
      ...others,
      { type: 2, data: rsaId },
      { type: 3, data: ed25519Id },
    ]);

  test('keep link specifiers of every type, unknown ones too', () => {
    fc.assert(
      fc.property(specifiers, list => {
        const block = encodeLinkSpecifiers(list);
        expect(parseLinkSpecifiers(block)).toEqual(list);
        expect(encodeLinkSpecifiers(parseLinkSpecifiers(block))).toEqual(block);
      }),
    );
  });

  test('are read back; legacy keys and lines that nobody knows are kept in reading', () => {
    const signer = ed25519Pair('signer');
    fc.assert(
      fc.property(specifiers, fc.nat(), blob, blob, (list, label, key, crossCert) => {
        const linkSpecifiers = encodeLinkSpecifiers(list);
        const point = { ...makePoint(`${label}`, signer, 500_000), linkSpecifiers };
        const text = encodeIntroductionPoint(point);
        expect(parseIntroductionPoint(parseNetdoc(asciiBytes(text)))).toMatchObject({
          ...point,
          unknown: [],
        });
        const more =
          `legacy-key\n${encodeObject('RSA PUBLIC KEY', key)}` +
          `legacy-key-cert\n${encodeObject('CROSSCERT', crossCert)}new-line a b\n`;
        const read = parseIntroductionPoint(parseNetdoc(asciiBytes(text + more)));
        expect(read).toMatchObject({ ...point, legacy: { key, crossCert } });
        expect(read.unknown.map(({ keyword, rest }) => `${keyword} ${rest}`)).toEqual(['new-line a b']);
        expect(encodeIntroductionPoint(read)).toBe(text);
      }),
      { numRuns: 30 },
    );
  });
});

describe('layers', () => {
  test('middle layers are read back, padded and not', () => {
    const line = bytes(AUTH_CLIENT_LENGTH).map(makeFakeAuthClientLine);
    const lines = fc.array(line, { minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(
        lines,
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
        blob,
        (sixteen, times, caaCritical, encrypted) => {
          const authClients = Array.from({ length: times }, () => sixteen).flat();
          const middle = { ephemeralKey: parts.middle.ephemeralKey, authClients, caaCritical, encrypted };
          const text = encodeMiddleLayer(middle);
          expect(parseMiddleLayer(unpadMiddle(padMiddle(text)))).toEqual({ ...middle, unknown: [] });
          expect(padMiddle(text).length % 10_000).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('outer documents are read back, with every counter that 64 bits hold', () => {
    const edges = fc.constantFrom(0n, 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n);
    const counter = fc.oneof(edges, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
    fc.assert(
      fc.property(
        counter,
        fc.integer({ min: 30, max: 720 }),
        blob,
        bytes(64),
        (revisionCounter, lifetimeMinutes, superencrypted, signature) => {
          const cert = parts.descSigningKeyCert;
          const unsigned = encodeUnsignedOuter({ lifetimeMinutes, cert, revisionCounter, superencrypted });
          const read = parseOuterLayer(concat(unsigned, encodeSignatureLine(signature)));
          expect(read).toMatchObject({ lifetimeMinutes, revisionCounter, superencrypted, signature });
          expect([read.cert.bytes, read.signedPart]).toEqual([cert, unsigned]);
        },
      ),
    );
  });

  test('what is encrypted is decrypted, under this counter and no other', () => {
    const constant = fc.constantFrom(MIDDLE_CONSTANT, INNER_CONSTANT);
    const counter = fc.bigInt({ min: 0n, max: 2n ** 64n - 2n });
    fc.assert(
      fc.property(
        bytes(48),
        counter,
        bytes(16),
        blob,
        constant,
        (secretData, revisionCounter, salt, text, name) => {
          const context = { secretData, subcredential: parts.subcredential, revisionCounter, constant: name };
          const layer = encryptLayer(context, salt, text);
          expect(decryptLayer(context, layer)).toEqual(text);
          const next = { ...context, revisionCounter: revisionCounter + 1n };
          expect(() => decryptLayer(next, layer)).toThrow(expect.objectContaining({ code: 'BAD_MAC' }));
        },
      ),
    );
  });

  test('a cookie reaches the client that it was encrypted to', () => {
    fc.assert(
      fc.property(
        bytes(32),
        bytes(32),
        bytes(16),
        bytes(16),
        bytes(32),
        (ephemeral, client, iv, cookie, credential) => {
          const subcredential = parseNHsSubcred(credential);
          const keys = deriveClientKeys(
            x25519SharedSecret(ephemeral, x25519PublicKey(client)),
            subcredential,
          );
          const authClients = [
            makeFakeAuthClientLine(noise('fake', AUTH_CLIENT_LENGTH)),
            makeAuthClientLine(keys, iv, cookie),
          ];
          const ephemeralKey = parseKpHssDescEnc(x25519PublicKey(ephemeral));
          expect(openCookie(client, { ephemeralKey, authClients }, subcredential)).toEqual(cookie);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('files of tor', () => {
  test('public key, hostname and secret key are read back', () => {
    fc.assert(
      fc.property(fc.nat(1000), bytes(32), bytes(31), (label, scalar, rest) => {
        const { kpHsId } = identity(`id ${label}`);
        expect(files.parsePublicKeyFile(files.encodePublicKeyFile(kpHsId))).toEqual(kpHsId);
        expect(files.parseHostnameFile(files.encodeHostnameFile(kpHsId))).toEqual(kpHsId);
        const clamped = scalar.with(0, scalar[0]! & 0xf8).with(31, (scalar[31]! & 0x3f) | 0x40);
        const prfHalf = concat(Uint8Array.of(1), rest);
        const file = new Uint8Array(files.SECRET_KEY_FILE_LENGTH);
        const places = files.prepareSecretKeyFile(file);
        places.scalar.set(clamped);
        places.prfHalf.set(prfHalf);
        expect(files.parseSecretKeyFile(file)).toEqual({ scalar: clamped, prfHalf });
      }),
      { numRuns: 30 },
    );
  });

  test('an object has the base64 that its lines join to', () => {
    fc.assert(
      fc.property(blob, data => {
        expect(wrapBase64(data).replaceAll('\n', '')).toBe(encodeBase64(data));
      }),
    );
  });
});
