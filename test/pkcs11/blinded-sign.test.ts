import sodium from 'sodium-native';
import { describe, expect, test, vi } from 'vitest';
import {
  clampTweak,
  ed25519Verify,
  fromHex,
  ladderHours,
  parseKpHsDescSign,
  parseKpHsId,
  testNetwork,
  timePeriod,
  toHex,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import {
  blindIdentity,
  descSigningCertBody,
  scalarTimesPublic,
  signExpanded,
  signLadder,
} from '../../src/pkcs11/blinded-sign.ts';
import { Secret } from '../../src/pkcs11/locked-memory.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import raw from '../vectors/tor-ed25519-blinding.json' with { type: 'json' };
import { expectCode } from './expect-code.ts';

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const NO_HEDGE = new Uint8Array(0);
const number = (bytes: Uint8Array) => BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);

function halves(expandedSecret: string) {
  const bytes = fromHex(expandedSecret);
  return { scalar: bytes.subarray(0, 32), prfHalf: bytes.subarray(32) };
}

function chainKey() {
  const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
  return blindIdentity(halves(chain.expandedSecret), kpHsId, timePeriod(TOR_NETWORK, chain.periodNum));
}

describe('a product with a public multiplier', () => {
  test.each(raw.vectors)('blinds the scalar of $publicKey, which is not reduced, as tor does', vector => {
    const { scalar } = halves(vector.expandedSecret);
    const out = new Uint8Array(32);
    scalarTimesPublic(out, clampTweak(fromHex(vector.blindingParam)), scalar);
    expect(toHex(out)).toBe(vector.blindedSecret.slice(0, 64));
  });

  test('is the product modulo the group order at the edges of both numbers', () => {
    const edges = ['00', '01', '08', 'ff'].map(first => {
      const bytes = new Uint8Array(32);
      bytes[0] = Number.parseInt(first, 16);
      return bytes;
    });
    const clampedTop = clampTweak(new Uint8Array(32).fill(0xff));
    const reducedTop = fromHex((ORDER - 1n).toString(16).padStart(64, '0')).reverse();
    const full = new Uint8Array(32).fill(0xff);
    const out = new Uint8Array(32);
    for (const multiplier of [...edges, clampedTop, reducedTop, full]) {
      for (const secret of [...edges, clampedTop, reducedTop]) {
        scalarTimesPublic(out, multiplier, secret);
        expect(number(out)).toBe((number(multiplier) * number(secret)) % ORDER);
      }
    }
  });
});

describe('a blinded key', () => {
  test('is that of tor, both halves', () => {
    const key = chainKey();
    expect(toHex(key.kpHsBlindId)).toBe(chain.kpHsBlindId);
    expect(key.secret.use(bytes => bytes.toString('hex'))).toBe(chain.blindedSecret);
    key.secret.wipe();
  });

  // tor, src/test/test_hs_common.c test_blinding_basics
  test('of period 1234 is that of tor and arti', () => {
    const kpHsId = parseKpHsId(fromHex('833990b085c1a688c1d4c8b1f6b56afaf5a2eca674449e1d704f83765ccb7bc6'));
    const expanded =
      'd8c7ff0e31295b66540d789af3e3df992038a9592eea01d8b7cba06d6e66d159' +
      '4d6167696320576f7264733a20737065697373636f62616c742062697669756d';
    const key = blindIdentity(halves(expanded), kpHsId, timePeriod(TOR_NETWORK, 1234));
    expect(key.secret.use(bytes => bytes.toString('hex'))).toBe(
      'a958dc83ac885f6814c67035de817a2c604d5d2f715282079448f789b656350b' +
        '4540fe1f80aa3f7e91306b7bf7a8e367293352b14a29fdcc8c19f3558075524b',
    );
    key.secret.wipe();
  });

  test('is refused when the scalar is not that of the address', () => {
    const [other] = raw.vectors;
    const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
    const period = timePeriod(TOR_NETWORK, chain.periodNum);
    expectCode('IDENTITY_MISMATCH', () => blindIdentity(halves(other?.expandedSecret ?? ''), kpHsId, period));
  });

  test('without a hedge signs what stock tor signs: the empty message and a certificate', () => {
    const key = chainKey();
    expect(toHex(signExpanded(key, new Uint8Array(0), NO_HEDGE))).toBe(chain.emptyMessageSignature);
    const kpHsDescSign = parseKpHsDescSign(fromHex(chain.kpHsDescSign));
    const body = descSigningCertBody(chain.certExpiryHours, kpHsDescSign, key.kpHsBlindId);
    const signature = signExpanded(key, body, NO_HEDGE);
    expect(toHex(body) + toHex(signature)).toBe(chain.descSigningCert);
    key.secret.wipe();
  });
});

describe('a ladder', () => {
  const kpHsDescSign = parseKpHsDescSign(fromHex(chain.kpHsDescSign));

  test.each([TOR_NETWORK, testNetwork('test', 20)])(
    'has one valid certificate for each hour of $name',
    profile => {
      const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
      const period = timePeriod(profile, chain.periodNum);
      const key = blindIdentity(halves(chain.expandedSecret), kpHsId, period);
      const ladder = signLadder(key, kpHsDescSign, profile, period);
      expect(ladder.map(({ expiryHours }) => expiryHours)).toEqual(ladderHours(profile, period));
      for (const { expiryHours, signature } of ladder) {
        const body = descSigningCertBody(expiryHours, kpHsDescSign, key.kpHsBlindId);
        expect(ed25519Verify(body, signature, key.kpHsBlindId)).toBe(true);
        const next = descSigningCertBody(expiryHours + 1, kpHsDescSign, key.kpHsBlindId);
        expect(ed25519Verify(next, signature, key.kpHsBlindId)).toBe(false);
      }
      key.secret.wipe();
    },
  );

  test('is hedged: the same certificate twice has two nonces', () => {
    const key = chainKey();
    const period = timePeriod(TOR_NETWORK, chain.periodNum);
    const nonces = [1, 2].flatMap(() =>
      signLadder(key, kpHsDescSign, TOR_NETWORK, period).map(({ signature }) =>
        toHex(signature.subarray(0, 32)),
      ),
    );
    expect(new Set(nonces).size).toBe(nonces.length);
    key.secret.wipe();
  });

  test('has a hedge of its own, 32 random bytes, for each certificate', () => {
    const key = chainKey();
    const period = timePeriod(TOR_NETWORK, chain.periodNum);
    const draw = sodium.randombytes_buf.bind(sodium);
    const drawn: string[] = [];
    const spy = vi.spyOn(sodium, 'randombytes_buf').mockImplementation(out => {
      draw(out);
      drawn.push(toHex(out));
    });
    const ladder = signLadder(key, kpHsDescSign, TOR_NETWORK, period);
    spy.mockRestore();
    expect(drawn.map(hedge => hedge.length / 2)).toEqual(ladder.map(() => 32));
    expect(new Set(drawn).size).toBe(ladder.length);
    key.secret.wipe();
  });

  test('cannot be made with a wiped key', () => {
    const key = { ...chainKey(), secret: new Secret(64) };
    key.secret.wipe();
    const period = timePeriod(TOR_NETWORK, chain.periodNum);
    expectCode('SECRET_WIPED', () => signLadder(key, kpHsDescSign, TOR_NETWORK, period));
  });
});
