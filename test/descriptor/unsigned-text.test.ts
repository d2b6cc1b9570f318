import { describe, expect, test } from 'vitest';
import { concat } from '../../src/descriptor/bytes.ts';
import {
  type Bytes,
  type DescriptorErrorCode,
  assembleDescriptor,
  messageOfUnsigned,
  parseCert,
  parseKpHsDescSign,
} from '../../src/descriptor/index.ts';
import { expectRefusal } from './expect-refusal.ts';
import { ed25519Pair, forge } from './forge.ts';

const HOUR = 3600;
const { parts, descSign, at } = forge();
const signable = assembleDescriptor(parts);
const expectation = { kpHsDescSign: parseKpHsDescSign(descSign.publicKey), nowSeconds: at };

const edited = (from: RegExp, to: string): Bytes =>
  Buffer.from(Buffer.from(signable.unsigned).toString('latin1').replace(from, to), 'latin1');

describe('a text that lacks its signature only', () => {
  test('is what the signing key signs', () => {
    expect(messageOfUnsigned(signable.unsigned, expectation)).toEqual(signable.signedMessage);
  });

  test.each<[string, DescriptorErrorCode, Bytes]>([
    ['with a line that nobody knows', 'TRAILING_DATA', concat(signable.unsigned, Buffer.from('x-more 1\n'))],
    [
      'with a second signature',
      'BAD_SYNTAX',
      concat(signable.unsigned, Buffer.from(`signature ${'A'.repeat(86)}\n`)),
    ],
    ['that is cut', 'BAD_SYNTAX', signable.unsigned.subarray(0, -30)],
    ['of another version', 'UNKNOWN_VERSION', edited(/^hs-descriptor 3/, 'hs-descriptor 4')],
    ['that is none', 'MISSING_ITEM', Buffer.from('Tor onion service descriptor sig v3')],
    ['of nothing', 'MISSING_ITEM', new Uint8Array()],
  ])('%s is refused', (_, code, text) => {
    expectRefusal(code, () => messageOfUnsigned(text, expectation));
  });

  test('names the key that signs, in a certificate that is good now', () => {
    const stranger = { ...expectation, kpHsDescSign: parseKpHsDescSign(ed25519Pair('stranger').publicKey) };
    expectRefusal('WRONG_KEY', () => messageOfUnsigned(signable.unsigned, stranger));
    const expiry = parseCert(parts.descSigningKeyCert).expiryHours * HOUR;
    const later = (nowSeconds: number) =>
      messageOfUnsigned(signable.unsigned, { ...expectation, nowSeconds });
    expect(later(expiry)).toEqual(signable.signedMessage);
    expectRefusal('CERT_EXPIRED', () => later(expiry + 1));
    const forged = forge({ signCert: (_, body) => ed25519Pair('stranger').sign(body) });
    expectRefusal('BAD_SIGNATURE', () =>
      messageOfUnsigned(assembleDescriptor(forged.parts).unsigned, expectation),
    );
  });
});
