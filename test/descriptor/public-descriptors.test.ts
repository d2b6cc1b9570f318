import { describe, expect, test } from 'vitest';
import type { Bytes, OpenedLayers } from '../../src/descriptor/index.ts';
import { concat, decodeUtf8 } from '../../src/descriptor/bytes.ts';
import {
  DescriptorError,
  TOR_NETWORK,
  assembleDescriptor,
  deriveSubcredential,
  finishDescriptor,
  fromHex,
  nobleVerify,
  openCookie,
  openDescriptor,
  openWithBlindedKey,
  openWithSubcredential,
  parseDescriptor,
  parseKpHsBlindId,
  parseKpHsId,
  parseNHsSubcred,
  parseOnionAddress,
  timePeriod,
  toHex,
} from '../../src/descriptor/index.ts';
import { parseInnerLayer } from '../../src/descriptor/inner-layer.ts';
import { parseIntroductionPoint } from '../../src/descriptor/introduction-point.ts';
import {
  INNER_CONSTANT,
  MIDDLE_CONSTANT,
  decryptLayer,
  unpadMiddle,
} from '../../src/descriptor/layer-crypt.ts';
import { parseMiddleLayer } from '../../src/descriptor/middle-layer.ts';
import { parseNetdoc } from '../../src/descriptor/netdoc.ts';
import { openTwice } from './both-verdicts.ts';
import { expectRefusal } from './expect-refusal.ts';
import { vector } from './vectors.ts';

/** Builds the descriptor again from what was read out of it; salts and signatures are those of the text. */
function rebuild(opened: OpenedLayers, descriptorCookie?: Bytes): Bytes {
  const { outer, middle, inner, kpHsBlindId, subcredential } = opened;
  const signable = assembleDescriptor({
    lifetimeMinutes: outer.lifetimeMinutes,
    kpHsBlindId,
    subcredential,
    descSigningKeyCert: outer.cert.bytes,
    revisionCounter: outer.revisionCounter,
    inner: { ...inner!, introAuthRequired: undefined, powParams: undefined },
    middle,
    descriptorCookie,
    salts: { inner: middle.encrypted.subarray(0, 16), middle: outer.superencrypted.subarray(0, 16) },
  });
  return finishDescriptor(signable, outer.signature);
}

describe('a descriptor of stock tor without client authorization', () => {
  const text = vector('arti-hsdesc1.txt');
  const settings = {
    kpHsBlindId: parseKpHsBlindId(
      fromHex('43cc0d62fc6252f578705ca645a46109e265290343b1137e90189744b20b3f2d'),
    ),
    subcredential: parseNHsSubcred(
      fromHex('78210a0d2c72bb7a0caf606bcd938b9a3696894fdddbc3b87d424753a7e3df37'),
    ),
    nowSeconds: Date.UTC(2023, 0, 23, 15) / 1000,
  };

  test('opens with blinded key and subcredential, certificates and all', () => {
    const { outer, middle, inner, dropped } = openWithSubcredential(text, settings);
    expect(outer.revisionCounter).toBe(19_655_750n);
    expect(outer.lifetimeMinutes).toBe(180);
    expect(middle.authClients).toHaveLength(16);
    expect(inner?.introductionPoints).toHaveLength(3);
    expect(inner?.flowControl).toBeUndefined();
    expect(dropped).toEqual([]);
  });

  test('opens the same when @noble verifies every signature', () => {
    expect(openWithSubcredential(text, { ...settings, verify: nobleVerify })).toEqual(
      openWithSubcredential(text, settings),
    );
  });

  test('is rebuilt byte for byte from its fields', () => {
    expect(decodeUtf8(rebuild(openWithSubcredential(text, settings)))).toBe(decodeUtf8(text));
  });

  test('is good to the second of its expiry and not one longer', () => {
    const end = openWithBlindedKey(text).cert.expiryHours * 3600;
    expect(openWithBlindedKey(text, { nowSeconds: end }).outer.revisionCounter).toBe(19_655_750n);
    expectRefusal('CERT_EXPIRED', () => openWithBlindedKey(text, { nowSeconds: end + 1 }));
  });

  test('opens with no other blinded key and no other subcredential', () => {
    const kpHsBlindId = parseKpHsBlindId(
      fromHex('706628758208395d461aa0f460a5e76e7b828c66b5e794768592b451302e961d'),
    );
    expectRefusal('WRONG_KEY', () => openWithSubcredential(text, { ...settings, kpHsBlindId }));
    expectRefusal('BAD_MAC', () =>
      openWithSubcredential(text, { ...settings, subcredential: parseNHsSubcred(new Uint8Array(32)) }),
    );
  });
});

describe('a descriptor of stock tor with client authorization', () => {
  const text = vector('arti-hsdesc2.txt');
  const kpHsId = parseOnionAddress('paozpdhgz2okvc6kgbxvh2bnfsmt4xergrtcl4obkhopyvwxkpjzvoad');
  const options = { kpHsId, periods: [timePeriod(TOR_NETWORK, 19_396), timePeriod(TOR_NETWORK, 19_397)] };
  const clientKey = fromHex('90f2d60f917f2423f0989ce9979639435a5b01cf7ab3e0a1b900beb892bae443');

  test('opens from its address to the middle layer, and no further without a client', () => {
    const opened = openTwice(text, options);
    expect(opened).toMatchObject({ inner: undefined, period: { periodNum: 19_397 } });
    if (typeof opened === 'string') throw new Error(opened);
    expect(opened.outer.revisionCounter).toBe(1_763_078_644n);
    expect(toHex(opened.subcredential)).toBe(
      '24a133e905102bda9a6afe57f901366a1b8281865a91f1fe0853e4b50cc8b070',
    );
  });

  test('opens with the cookie that the client finds, and is rebuilt byte for byte', () => {
    const { middle, subcredential } = openDescriptor(text, options);
    const descriptorCookie = openCookie(clientKey, middle, subcredential);
    expect(toHex(descriptorCookie!)).toBe('a93507998a28336c319393405d395dec');
    const opened = openTwice(text, { ...options, descriptorCookie });
    if (typeof opened === 'string') throw new Error(opened);
    expect(opened.inner).toEqual(parseInnerLayer(vector('arti-hsdesc-inner.txt')));
    expect(opened.inner?.introductionPoints).toHaveLength(3);
    expect(opened.inner?.flowControl).toEqual({ versions: '1-2', sendmeInc: 31 });
    expect(decodeUtf8(rebuild(opened, descriptorCookie))).toBe(decodeUtf8(text));
  });

  test('has no line for another client, and a wrong cookie opens nothing', () => {
    const { middle, subcredential } = openDescriptor(text, options);
    expect(openCookie(new Uint8Array(32).fill(7), middle, subcredential)).toBeUndefined();
    expect(openTwice(text, { ...options, descriptorCookie: new Uint8Array(16) })).toBe('BAD_MAC');
  });

  test('is of no other period and of no other service', () => {
    expect(openTwice(text, { ...options, periods: [timePeriod(TOR_NETWORK, 19_398)] })).toBe('WRONG_PERIOD');
    const other = parseKpHsId(fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'));
    expect(openTwice(text, { ...options, kpHsId: other })).toBe('WRONG_PERIOD');
    expect(openTwice(text, options)).not.toBe('WRONG_PERIOD');
  });
});

describe('the descriptor in the tests of stem', () => {
  const text = vector('stem-hidden_service_v3');
  const outer = parseDescriptor(text);

  test('has an outer document that holds, and layers that its address decrypts', () => {
    expect(outer.revisionCounter).toBe(42n);
    const { kpHsBlindId } = openWithBlindedKey(text);
    const kpHsId = parseOnionAddress('sltib6sxkuxh2scmtuvd5w2g7pahnzkovefxpo4e4ptnkzl5kkq5h2ad');
    const keys = {
      subcredential: deriveSubcredential(kpHsId, kpHsBlindId),
      revisionCounter: 42n,
      secretData: kpHsBlindId,
    };
    const padded = decryptLayer({ ...keys, constant: MIDDLE_CONSTANT }, outer.superencrypted);
    expect(padded).toEqual(vector('stem-hidden_service_v3_outer_layer'));
    const middle = parseMiddleLayer(unpadMiddle(padded));
    expect(middle.authClients).toHaveLength(16);
    const inner = decryptLayer({ ...keys, constant: INNER_CONSTANT }, middle.encrypted);
    expect(decodeUtf8(inner).trimEnd()).toBe(
      decodeUtf8(vector('stem-hidden_service_v3_inner_layer')).trimEnd(),
    );
  });

  test('has all-zero keys for its points, which are refused', () => {
    expectRefusal('BAD_KEY', () => parseInnerLayer(vector('stem-hidden_service_v3_inner_layer')));
  });

  test('has points with legacy keys, which are read when their other keys are good', () => {
    const [zero, base] = [new Uint8Array(32), new Uint8Array(32).fill(9, 0, 1)].map(key =>
      Buffer.from(key).toString('base64'),
    );
    const point = decodeUtf8(vector('stem-hidden_service_v3_intro_point')).replaceAll(zero!, base!);
    const { legacy } = parseIntroductionPoint(parseNetdoc(Buffer.from(point)));
    expect(legacy?.crossCert).toHaveLength(165);
    const withoutCert = point.slice(0, point.indexOf('legacy-key-cert'));
    expectRefusal('BAD_POINT', () => parseIntroductionPoint(parseNetdoc(Buffer.from(withoutCert))));
  });
});

describe('the descriptor with a space before its signature line', () => {
  const text = vector('tor-hs-desc-bad-sig.txt');

  test('is refused as by tor', () => {
    expectRefusal('BAD_SYNTAX', () => parseDescriptor(text));
  });

  test('verifies without that space, and not with another byte changed', () => {
    const mended = Buffer.from(text).toString('latin1').replace('\n signature ', '\nsignature ');
    expect(openWithBlindedKey(Buffer.from(mended)).outer.revisionCounter).toBe(42n);
    const spoilt = mended.replace('revision-counter 42', 'revision-counter 43');
    expectRefusal('BAD_SIGNATURE', () => openWithBlindedKey(Buffer.from(spoilt)));
  });
});

describe('inner layers with pow-params', () => {
  test('a complete line is read', () => {
    const { powParams, introductionPoints } = parseInnerLayer(vector('arti-hsdesc-inner-pow-v1.txt'));
    expect(powParams).toMatchObject({
      suggestedEffort: 614,
      expires: Date.UTC(2024, 3, 11, 5, 15, 37) / 1000,
    });
    expect(powParams?.seed).toHaveLength(32);
    expect(introductionPoints).toHaveLength(3);
  });

  test('an empty line refuses the layer', () => {
    expectRefusal('BAD_SYNTAX', () => parseInnerLayer(vector('arti-hsdesc-inner-pow-empty.txt')));
  });
});

test('every changed byte of a descriptor is noticed', () => {
  const text = vector('arti-hsdesc2.txt');
  const kpHsId = parseOnionAddress('paozpdhgz2okvc6kgbxvh2bnfsmt4xergrtcl4obkhopyvwxkpjzvoad');
  const options = { kpHsId, periods: [timePeriod(TOR_NETWORK, 19_397)] };
  expect(openDescriptor(text, options).period.periodNum).toBe(19_397);
  for (let at = 0; at < text.length - 1; at += 37) {
    const spoilt = concat(text.subarray(0, at), Uint8Array.of(text[at]! ^ 1), text.subarray(at + 1));
    expect(() => openDescriptor(spoilt, options), `byte ${at}`).toThrow(DescriptorError);
  }
});
