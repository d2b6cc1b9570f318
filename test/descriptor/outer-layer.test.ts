import { describe, expect, test } from 'vitest';
import { decodeUtf8 } from '../../src/descriptor/bytes.ts';
import type { DescriptorErrorCode } from '../../src/descriptor/error.ts';
import {
  descriptorSignedMessage,
  encodeSignatureLine,
  encodeUnsignedOuter,
  parseOuterLayer,
} from '../../src/descriptor/outer-layer.ts';
import { expectRefusal } from './expect-refusal.ts';
import { forge } from './forge.ts';

type Case = [string, (text: string) => string, DescriptorErrorCode];

const { text, parts } = forge({ points: 2 });

describe('the outer document', () => {
  const outer = decodeUtf8(text);
  const read = (changed: string) => parseOuterLayer(Buffer.from(changed));
  const signature = /^signature .*\n/m;

  test('is read', () => {
    const opened = read(outer);
    expect(opened).toMatchObject({
      lifetimeMinutes: 180,
      revisionCounter: parts.revisionCounter,
      unknown: [],
    });
    expect(opened.cert.bytes).toEqual(parts.descSigningKeyCert);
    expect(decodeUtf8(opened.signedPart) + decodeUtf8(encodeSignatureLine(opened.signature))).toBe(outer);
    expect(decodeUtf8(descriptorSignedMessage(opened.signedPart)).slice(0, 50)).toBe(
      'Tor onion service descriptor sig v3hs-descriptor 3',
    );
  });

  test('unknown lines, even in UTF-8, and a missing last LF are taken; the signed part counts bytes', () => {
    const opened = read(outer.replace('revision-counter', 'new ü\nrevision-counter').slice(0, -1));
    expect(opened.unknown.map(({ args }) => args)).toEqual([['ü']]);
    expect(Buffer.from(opened.signedPart).toString().endsWith('-----END MESSAGE-----\n')).toBe(true);
  });

  test.each(['0', '18446744073709551615'])('revision counter %s is read', counter => {
    const changed = outer.replace(/(?<=revision-counter ).*/, counter);
    expect(read(changed).revisionCounter).toBe(BigInt(counter));
  });

  test.each(['30', '720'])('a lifetime of %s minutes is read', minutes => {
    expect(read(outer.replace('lifetime 180', `lifetime ${minutes}`)).lifetimeMinutes).toBe(Number(minutes));
  });

  test('49,999 bytes are the most', () => {
    const filled = outer.replace(
      'revision-counter',
      `new ${'x'.repeat(49_999 - outer.length - 5)}\nrevision-counter`,
    );
    expect(filled).toHaveLength(49_999);
    expect(read(filled).unknown).toHaveLength(1);
    expectRefusal('TOO_LARGE', () => read(filled.replace('new x', 'new xx')));
  });

  test.each<Case>([
    ['nothing', () => '', 'BAD_SYNTAX'],
    ['another version', t => t.replace('hs-descriptor 3', 'hs-descriptor 4'), 'UNKNOWN_VERSION'],
    ['version 03', t => t.replace('hs-descriptor 3', 'hs-descriptor 03'), 'UNKNOWN_VERSION'],
    ['a line before the first', t => `new\n${t}`, 'BAD_SYNTAX'],
    ['an empty line before the first', t => `\n${t}`, 'BAD_SYNTAX'],
    ['a line after the signature', t => `${t}new\n`, 'BAD_SYNTAX'],
    ['an empty line after the signature', t => `${t}\n`, 'BAD_SYNTAX'],
    ['a space after the signature', t => `${t.trimEnd()} \n`, 'BAD_SYNTAX'],
    ['a second signature', t => t.replace(signature, '$&$&'), 'BAD_SYNTAX'],
    [
      'a signature earlier',
      t => t.replace('revision-counter', `signature ${'A'.repeat(86)}\nrevision-counter`),
      'BAD_SYNTAX',
    ],
    ['no signature', t => t.replace(signature, ''), 'MISSING_ITEM'],
    ['a padded signature', t => `${t.trimEnd()}==\n`, 'BAD_SYNTAX'],
    ['a short signature', t => `${t.trimEnd().slice(0, -1)}\n`, 'BAD_SYNTAX'],
    ['two spaces before the signature', t => t.replace('signature ', 'signature  '), 'BAD_SYNTAX'],
    ['a signature that is not canonical', t => t.replace(/[AQgw]\n$/, 'B\n'), 'BAD_BASE64'],
    ['no lifetime', t => t.replace('descriptor-lifetime 180\n', ''), 'MISSING_ITEM'],
    ['a lifetime of 29', t => t.replace('lifetime 180', 'lifetime 29'), 'BAD_INTEGER'],
    ['a lifetime of 721', t => t.replace('lifetime 180', 'lifetime 721'), 'BAD_INTEGER'],
    ['a lifetime with a sign', t => t.replace('lifetime 180', 'lifetime +180'), 'BAD_INTEGER'],
    ['a lifetime with a leading zero', t => t.replace('lifetime 180', 'lifetime 0180'), 'BAD_INTEGER'],
    ['two arguments', t => t.replace('lifetime 180', 'lifetime 180 x'), 'BAD_SYNTAX'],
    ['two counters', t => t.replace(/^(revision-counter.*\n)/m, '$1$1'), 'DUPLICATE_ITEM'],
    [
      'a counter beyond 64 bits',
      t => t.replace(/(?<=revision-counter ).*/, '18446744073709551616'),
      'BAD_INTEGER',
    ],
    ['a negative counter', t => t.replace(/(?<=revision-counter )/, '-'), 'BAD_INTEGER'],
    ['a certificate of another label', t => t.replaceAll('ED25519 CERT', 'ED25519 CRT'), 'BAD_SYNTAX'],
    ['another object for superencrypted', t => t.replaceAll(' MESSAGE', ' MASSAGE'), 'BAD_SYNTAX'],
    ['CRLF', t => t.replaceAll('\n', '\r\n'), 'BAD_SYNTAX'],
    ['a NUL', t => t.replace('hs-descriptor 3', 'hs-descriptor 3\0'), 'BAD_SYNTAX'],
  ])('%s is refused', (_, change, code) => {
    expect(change(outer)).not.toBe(outer);
    expectRefusal(code, () => read(change(outer)));
  });

  test.each([29, 721, 30.5, Number.NaN])('a lifetime of %d is never written', lifetimeMinutes => {
    const fields = {
      cert: parts.descSigningKeyCert,
      revisionCounter: 1n,
      superencrypted: new Uint8Array(49),
    };
    expect(encodeUnsignedOuter({ ...fields, lifetimeMinutes: 720 }).length).toBeGreaterThan(0);
    expectRefusal('BAD_INTEGER', () => encodeUnsignedOuter({ ...fields, lifetimeMinutes }));
  });

  test.each([-1n, 2n ** 64n])('a counter of %d is never written', revisionCounter => {
    const fields = {
      cert: parts.descSigningKeyCert,
      superencrypted: new Uint8Array(49),
      lifetimeMinutes: 180,
    };
    expectRefusal('BAD_INTEGER', () => encodeUnsignedOuter({ ...fields, revisionCounter }));
  });
});
