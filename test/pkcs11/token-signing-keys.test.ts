import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ed25519Verify, encodeCertBody, toHex } from '../../src/descriptor/index.ts';
import {
  CKA_EC_PARAMS,
  CKA_PUBLIC_KEY_INFO,
  ED25519_SPELLINGS,
  PURE_ED25519,
  decodeEcPoint,
  decodePublicKeyInfo,
} from '../../src/pkcs11/eddsa-constants.ts';
import {
  CKA_CLASS,
  CKA_ID,
  CKA_LABEL,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
} from '../../src/pkcs11/pkcs11-constants.ts';
import { TokenSigningKeys } from '../../src/pkcs11/token-signing-keys.ts';
import { ed25519Pair } from '../descriptor/forge.ts';
import { expectCode } from './expect-code.ts';
import { type Habits, HELD, ScriptedToken } from './scripted-token.ts';

const LABEL = 'ours';

const keysOn = (token: ScriptedToken) => new TokenSigningKeys(token, LABEL);

describe('a key on a token', () => {
  test.each([0, 1, 2])(
    'is made with spelling %i of the curve, and with it at once the next time',
    spelling => {
      const token = new ScriptedToken({ spelling });
      const keys = keysOn(token);
      keys.make();
      keys.make();
      const tried = [...Array(spelling + 1).keys(), spelling];
      expect(token.spellings).toEqual(tried.map(i => ED25519_SPELLINGS[i]?.toString('hex')));
    },
  );

  test('is not made where no spelling is taken', () => {
    expectCode('TOKEN_UNSUITED', () => keysOn(new ScriptedToken({ spelling: 3 })).make());
  });

  test('signs without a parameter, and with an empty one where the token insists', () => {
    for (const wantsParameter of [false, true]) {
      const token = new ScriptedToken({ wantsParameter });
      const keys = keysOn(token);
      const { id, kpHsDescSign } = keys.make();
      const body = encodeCertBody({
        certType: 9,
        expiryHours: 1,
        certifiedKey: kpHsDescSign,
        signingKey: kpHsDescSign,
      });
      expect(ed25519Verify(body, keys.sign(id, body), kpHsDescSign)).toBe(true);
      const last = token.mechanisms
        .slice(1)
        .every(({ parameter }) => (parameter !== undefined) === wantsParameter);
      expect(last).toBe(true);
      expect(token.mechanisms.at(-1)?.parameter).toEqual(wantsParameter ? PURE_ED25519 : undefined);
    }
  });

  test.each<[string, Partial<Habits>]>([
    ['that takes no descriptor of 50 kB', { longest: 16_100 }],
    ['that takes no certificate', { longest: 20 }],
    ['whose public keys cannot be read', { point: () => Buffer.alloc(33), info: () => Buffer.alloc(44) }],
  ])('is not kept on a token %s', (_, habits) => {
    const token = new ScriptedToken(habits);
    expectCode('TOKEN_UNSUITED', () => keysOn(token).make());
    expect(token.objects).toEqual([]);
    const fits = new ScriptedToken({ longest: 50_100 });
    expect(keysOn(fits).make().id).toHaveLength(16);
  });

  test.each([...HELD.keys()])('is not kept when attribute %i says otherwise, or nothing', type => {
    for (const said of [!HELD.get(type), undefined]) {
      const attributes = new Map(HELD);
      if (said === undefined) attributes.delete(type);
      else attributes.set(type, said);
      const token = new ScriptedToken({ private: attributes });
      expectCode('KEY_UNSUITABLE', () => keysOn(token).make());
      expect(token.objects).toEqual([]);
    }
  });

  test.each<[string, Habits['spoil'], 'KEY_UNSUITABLE' | 'TOKEN_PROTOCOL']>([
    ['do not verify', signature => signature.map((byte, i) => (i === 3 ? byte ^ 1 : byte)), 'KEY_UNSUITABLE'],
    ['are cut', signature => signature.subarray(1), 'TOKEN_PROTOCOL'],
    ['are too long', signature => Buffer.concat([signature, signature]), 'TOKEN_PROTOCOL'],
    ['are empty', () => new Uint8Array(), 'TOKEN_PROTOCOL'],
  ])('is not kept when its signatures %s', (_, spoil, code) => {
    expectCode(code, () => keysOn(new ScriptedToken({ spoil })).make());
  });

  test('is found again by its record, and nobody else’s is looked at', () => {
    const token = new ScriptedToken();
    const before = keysOn(token);
    const [first, second, lost] = [before.make(), before.make(), before.make()];
    token.destroy(token.find([[CKA_ID, Buffer.from(lost.id)]])[0] ?? Buffer.alloc(0));
    new TokenSigningKeys(token, 'another').make();
    const keys = keysOn(token);
    // One half of `lost` is left, which no record names; `second` has none either.
    expect(keys.open([first, { ...lost, id: randomBytes(16) }])).toEqual([true, false]);
    expect(keys.publicKeyOf(first.id)).toEqual(first.kpHsDescSign);
    expectCode('KEY_NOT_FOUND', () => keys.sign(second.id, Buffer.from('x')));
    const labels = token.objects.map(({ attributes }) => attributes.get(CKA_LABEL)?.toString());
    expect(labels).toEqual([LABEL, LABEL, 'another', 'another']);
  });

  test('is all that is destroyed on a token that finds what was not searched for', () => {
    const token = new ScriptedToken({ findsAll: true });
    const others = new TokenSigningKeys(token, 'another').make();
    const keys = keysOn(token);
    const [first, second, third] = [keys.make(), keys.make(), keys.make()];
    // Which half is which is not to be known.
    expectCode('KEY_AMBIGUOUS', () => keysOn(token).open([first, second]));
    const ids = () => token.objects.map(({ attributes }) => toHex(attributes.get(CKA_ID) ?? Buffer.alloc(0)));
    const halves = (...ofKeys: { id: Uint8Array }[]) => ofKeys.flatMap(({ id }) => [toHex(id), toHex(id)]);
    expect(ids()).toEqual(halves(others, first, second));
    expect(ids()).not.toContain(toHex(third.id));
    keys.destroy(first.id);
    expect(ids()).toEqual(halves(others, second));
  });

  test.each([
    ['label', CKA_LABEL],
    ['id', CKA_ID],
  ])('is neither gone nor destroyed when the token does not say its %s', (_, type) => {
    const token = new ScriptedToken();
    const record = keysOn(token).make();
    // Another one of ours, which no record names: it goes when it is known to be that.
    keysOn(token).make();
    const before = [...token.objects];
    const mute = new ScriptedToken({ mute: [type] }, token.objects);
    expectCode('TOKEN_DEAD', () => keysOn(mute).open([record]));
    expect(token.objects).toEqual(before);
    expect(keysOn(token).open([record])).toEqual([true]);
    expect(token.objects).toEqual(before.slice(0, 2));
    expect(keysOn(new ScriptedToken({ mute: [type] })).open([record])).toEqual([false]);
  });

  test('is gone when only others are found, also such as say of themselves too little', () => {
    const token = new ScriptedToken({ findsAll: true });
    new TokenSigningKeys(token, 'another').make();
    const record = { ...keysOn(new ScriptedToken()).make() };
    expect(keysOn(token).open([record])).toEqual([false]);
    const mute = new ScriptedToken({ findsAll: true, mute: [CKA_LABEL] }, token.objects);
    expect(keysOn(mute).open([record])).toEqual([false]);
    expect(token.objects).toHaveLength(2);
  });

  test('with the public half of another record is refused', () => {
    const token = new ScriptedToken();
    const [first, second] = [keysOn(token).make(), keysOn(token).make()];
    const records = [{ ...first, kpHsDescSign: second.kpHsDescSign }, second];
    expectCode('KEY_UNSUITABLE', () => keysOn(token).open(records));
    expect(keysOn(token).open([first, second])).toEqual([true, true]);
  });

  test('that is there twice is refused', () => {
    const token = new ScriptedToken();
    const record = keysOn(token).make();
    const names = [
      [CKA_LABEL, Buffer.from(LABEL)],
      [CKA_ID, Buffer.from(record.id)],
      [CKA_EC_PARAMS, ED25519_SPELLINGS[0] ?? Buffer.alloc(0)],
    ] as const;
    const half = (objectClass: number) => [[CKA_CLASS, objectClass] as const, ...names];
    token.generateKeyPair({ mechanism: 0x1055 }, half(CKO_PUBLIC_KEY), half(CKO_PRIVATE_KEY));
    expectCode('KEY_AMBIGUOUS', () => keysOn(token).open([record]));
  });

  test('is destroyed with both halves', () => {
    const token = new ScriptedToken();
    const keys = keysOn(token);
    const [first, second] = [keys.make(), keys.make()];
    keys.destroy(first.id);
    expect(token.objects.map(({ attributes }) => toHex(attributes.get(CKA_ID) ?? Buffer.alloc(0)))).toEqual([
      toHex(second.id),
      toHex(second.id),
    ]);
    expectCode('KEY_NOT_FOUND', () => keys.sign(first.id, Buffer.from('x')));
  });
});

describe('the public key of a token', () => {
  const raw = Buffer.from(ed25519Pair('point').publicKey);
  const prefixed = (hex: string) => Buffer.concat([Buffer.from(hex, 'hex'), raw]);

  test('is read in the three forms of CKA_EC_POINT and no other', () => {
    for (const hex of ['', '0420', '032100']) expect(decodeEcPoint(prefixed(hex))).toEqual(raw);
    for (const hex of ['04', '0421', '0520', '032001', '022100', '04200420'])
      expect(decodeEcPoint(prefixed(hex))).toBeUndefined();
    expect(decodeEcPoint(raw.subarray(1))).toBeUndefined();
  });

  test('is read from CKA_PUBLIC_KEY_INFO where there is no point', () => {
    const token = new ScriptedToken({ point: () => undefined });
    const { kpHsDescSign } = keysOn(token).make();
    const [info] = token.objects.flatMap(({ attributes }) => attributes.get(CKA_PUBLIC_KEY_INFO) ?? []);
    expect(info && decodePublicKeyInfo(info)).toEqual(Buffer.from(kpHsDescSign));
    for (const hex of ['302a300506032b6571032100', '302a300506032b65700321', ''])
      expect(decodePublicKeyInfo(prefixed(hex))).toBeUndefined();
  });
});
