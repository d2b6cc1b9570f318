import { describe, expect, test } from 'vitest';
import type { DescriptorErrorCode } from '../../src/descriptor/index.ts';
import { concat } from '../../src/descriptor/bytes.ts';
import {
  CERT_TYPE,
  TOR_NETWORK,
  assembleCert,
  encodeCertBody,
  openDescriptor,
  timePeriod,
  x25519ToEd25519,
} from '../../src/descriptor/index.ts';
import { expectOpened, openForgery, openTwice } from './both-verdicts.ts';
import { expectRefusal } from './expect-refusal.ts';
import { type Forgery, PERIOD, ed25519Pair, forge, identity, makePoint } from './forge.ts';

describe('a descriptor signed by the right keys over the wrong things', () => {
  const signer = ed25519Pair(`backend descriptor signing ${PERIOD.periodNum}`);
  const stranger = ed25519Pair('stranger');
  const certify = (pair: typeof signer, certType: 8 | 9 | 11, certifiedKey: Uint8Array) => {
    const body = encodeCertBody({
      certType,
      expiryHours: 1_000_000,
      certifiedKey,
      signingKey: pair.publicKey,
    });
    return assembleCert(body, pair.sign(body));
  };
  const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  /** l − 1 more than S makes a second text of one signature, which verifiers without the bound take. */
  const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
  const malleable = (signature: Uint8Array) => {
    let s = ORDER + BigInt(`0x${Buffer.from(signature.slice(32)).reverse().toString('hex')}`);
    return signature.map((byte, i) => {
      if (i < 32) return byte;
      const out = Number(s & 0xffn);
      s >>= 8n;
      return out;
    });
  };

  test.each<[string, DescriptorErrorCode, Forgery]>([
    ['a descriptor signed by another key', 'BAD_SIGNATURE', { signDescriptor: stranger.sign }],
    [
      'a signature over the text without its prefix',
      'BAD_SIGNATURE',
      { signDescriptor: m => signer.sign(m.slice(35)) },
    ],
    ['a spoilt signature', 'BAD_SIGNATURE', { signDescriptor: m => flip(signer.sign(m), 5) }],
    [
      'a signature with S beyond the group order',
      'BAD_SIGNATURE',
      { signDescriptor: m => malleable(signer.sign(m)) },
    ],
    ['a certificate signed by another key', 'BAD_SIGNATURE', { signCert: (_, body) => stranger.sign(body) }],
    [
      'a certificate signed by another identity',
      'BAD_SIGNATURE',
      { signCert: identity('other').signBlinded },
    ],
    [
      'a certificate signed by the blinded key of another period',
      'BAD_SIGNATURE',
      { signCert: (_, body) => identity('backend').signBlinded(timePeriod(TOR_NETWORK, 20_701), body) },
    ],
    ['an expired certificate', 'CERT_EXPIRED', { expiryHours: 1000 }],
    ['expired certificates of points', 'CERT_EXPIRED', { innerExpiryHours: 1000 }],
    [
      'points certified by another key',
      'WRONG_KEY',
      { editPoint: (_, i) => makePoint(`p${i}`, stranger, 1_000_000) },
    ],
    [
      'an auth-key certificate by another key that names the right one',
      'BAD_SIGNATURE',
      {
        editPoint: p => ({
          ...p,
          authKeyCert: concat(p.authKeyCert.slice(0, 76), stranger.sign(p.authKeyCert.slice(0, 76))),
        }),
      },
    ],
    [
      'an enc-key certificate by another key that names the right one',
      'BAD_SIGNATURE',
      {
        editPoint: p => ({
          ...p,
          encKeyCert: concat(p.encKeyCert.slice(0, 76), stranger.sign(p.encKeyCert.slice(0, 76))),
        }),
      },
    ],
    [
      'another enc-key than the certified one',
      'WRONG_KEY',
      { editPoint: p => ({ ...p, encKey: makePoint('x', signer, 1).encKey }) },
    ],
    [
      'an enc-key certificate over the auth key, as stem makes them',
      'WRONG_KEY',
      { editPoint: p => ({ ...p, encKeyCert: certify(signer, CERT_TYPE.encKey, p.authKey) }) },
    ],
    [
      'an enc-key certificate with the sign bit set',
      'WRONG_KEY',
      {
        editPoint: p => {
          const key = x25519ToEd25519(p.encKey);
          key[31]! |= 0x80;
          return { ...p, encKeyCert: certify(signer, CERT_TYPE.encKey, key) };
        },
      },
    ],
    [
      'a certificate of type 0B for the auth key',
      'BAD_CERT',
      { editPoint: p => ({ ...p, authKeyCert: certify(signer, CERT_TYPE.encKey, p.authKey) }) },
    ],
    [
      'a certificate of type 09 for the enc-key',
      'BAD_CERT',
      {
        editPoint: p => ({ ...p, encKeyCert: certify(signer, CERT_TYPE.authKey, x25519ToEd25519(p.encKey)) }),
      },
    ],
    [
      'a certificate of a point cut short',
      'BAD_CERT',
      { editPoint: p => ({ ...p, authKeyCert: p.authKeyCert.slice(0, 100) }) },
    ],
    [
      'a certificate of a point with a byte after it',
      'TRAILING_DATA',
      {
        editPoint: p => ({
          ...p,
          authKeyCert: concat(p.authKeyCert.slice(0, 76), Uint8Array.of(0), p.authKeyCert.slice(76)),
        }),
      },
    ],
    [
      'an enc-key on the twist',
      'BAD_KEY',
      { editPoint: p => ({ ...p, encKey: Uint8Array.of(2, ...new Uint8Array(31)) as typeof p.encKey }) },
    ],
    [
      'an auth key that is no point',
      'BAD_KEY',
      { editPoint: p => ({ ...p, authKeyCert: certify(signer, 9, new Uint8Array(32).fill(2)) }) },
    ],
    [
      'the counter of another descriptor',
      'BAD_MAC',
      { editOuter: t => t.replace(/(?<=revision-counter \d*)\d\n/, d => `${(Number(d) + 1) % 10}\n`) },
    ],
    [
      'text behind the padding of the middle layer',
      'BAD_LAYER',
      { editPadded: p => p.fill(0x61, p.length - 1) },
    ],
    ['a middle layer that is no document', 'BAD_SYNTAX', { editMiddle: () => 'a  \n\nb' }],
    ['an empty middle layer', 'BAD_SYNTAX', { editPadded: p => p.fill(0) }],
    [
      'a middle layer with an encrypted layer of 48 bytes',
      'BAD_LAYER',
      { editMiddle: t => t.replace(/(?<=BEGIN MESSAGE-----\n)[^-]*/, `${'A'.repeat(64)}\n`) },
    ],
    [
      'an inner layer without formats',
      'MISSING_ITEM',
      { editInner: t => t.replace('create2-formats 2\n', '') },
    ],
    ['an inner layer that is not UTF-8', 'BAD_UTF8', { editInner: t => t.replace('flow', 'x \xff\nflow') }],
    [
      'an inner layer with 21 points',
      'POINT_COUNT',
      { points: 20, editInner: t => t + t.slice(t.lastIndexOf('introduction-point')) },
    ],
    ['an inner layer with padding', 'BAD_SYNTAX', { editInner: t => `${t}\0` }],
  ])('%s is refused by both implementations: %s', (_, code, forgery) => {
    expect(openForgery(forgery)).toBe(code);
  });

  test.each<[string, Forgery]>([
    ['nothing changed', {}],
    [
      'unknown lines in all three documents',
      {
        editOuter: t => t.replace('revision', 'new \xc3\xbc\nrevision'),
        editMiddle: t => t.replace('encrypted', 'new\nencrypted'),
        editInner: t => `${t.replace('flow', 'new x\nflow')}new\n`,
      },
    ],
    ['no padding', { editPadded: p => p.slice(0, p.indexOf(0)) }],
    ['a padding of other length, as of Arti', { editPadded: p => concat(p, new Uint8Array(240)) }],
    ['an LF at the end of the middle layer', { editMiddle: t => `${t}\n` }],
    ['no LF at the end of the inner layer', { editInner: t => t.slice(0, -1) }],
    ['no introduction point', { editInner: t => t.slice(0, t.indexOf('introduction-point')) }],
    ['certificates that last for ever', { expiryHours: 0xffff_ffff, innerExpiryHours: 0xffff_ffff }],
    ['twenty points', { points: 20 }],
  ])('%s is taken by both implementations', (_, forgery) => {
    expectOpened(openForgery(forgery));
  });

  test('a bad certificate drops its point alone when the certificates are not judged strictly', () => {
    const { text, kpHsId, at } = forge({
      editPoint: (p, i) => (i === 1 ? makePoint('p', stranger, 1_000_000) : p),
    });
    const options = { kpHsId, periods: [PERIOD], nowSeconds: at };
    const opened = openDescriptor(text, { ...options, strictCerts: false });
    expect(opened.inner?.introductionPoints).toHaveLength(2);
    expect(opened.dropped).toEqual([{ index: 1, code: 'WRONG_KEY' }]);
    expectRefusal('WRONG_KEY', () => openDescriptor(text, options));
  });

  test('bytes before and after a descriptor are refused', () => {
    const { text, kpHsId } = forge();
    const options = { kpHsId, periods: [PERIOD] };
    for (const byte of [0, 0x0a, 0x20, 0x61]) {
      expect(openTwice(concat(text, Uint8Array.of(byte)), options)).toBe('BAD_SYNTAX');
      expect(openTwice(concat(Uint8Array.of(byte), text), options)).not.toBeTypeOf('object');
    }
    expect(openTwice(concat(text, text), options)).toBe('BAD_SYNTAX');
    expectOpened(openTwice(text, options));
  });
});
