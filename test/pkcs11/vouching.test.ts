import { describe, expect, test } from 'vitest';
import {
  ed25519Verify,
  fromHex,
  nobleVerify,
  parseEd25519Public,
  parseKpHsId,
} from '../../src/descriptor/index.ts';
import { signWithHalves } from '../../src/pkcs11/blinded-sign.ts';
import { formatNote } from '../../src/pkcs11/note-key.ts';
import {
  isVouching,
  VOUCHING_VERIFIERS,
  vouch,
  vouchingNote,
  vouchingText,
} from '../../src/pkcs11/vouching.ts';
import { formatNoteVerifier } from '../../src/signer/contract/signed-note.ts';
import { addressVerifier, openVouching } from '../../src/signer/contract/vouching.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import raw from '../vectors/tor-ed25519-blinding.json' with { type: 'json' };
import { failure } from '../signer/failure.ts';

const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
const checkpointKey = parseEd25519Public(fromHex(chain.kpHsDescSign));
const halvesOf = (expandedSecret: string) => {
  const bytes = fromHex(expandedSecret);
  return { scalar: bytes.subarray(0, 32), prfHalf: bytes.subarray(32) };
};
const identity = halvesOf(chain.expandedSecret);
const signed = (text: string) => signWithHalves(identity, kpHsId, Buffer.from(text), new Uint8Array(32));
const codeOf = (note: string) => failure(() => openVouching(note)).code;

describe('the unblinded signature', () => {
  // tor, src/test/ed25519_vectors.inc: each key signs its own public key.
  test.each(raw.vectors)('without a hedge is that of tor: $publicKey', vector => {
    const publicKey = fromHex(vector.publicKey);
    const signature = signWithHalves(
      halvesOf(vector.expandedSecret),
      publicKey,
      publicKey,
      new Uint8Array(0),
    );
    expect(ed25519Verify(publicKey, signature, publicKey)).toBe(true);
    if ('selfSignature' in vector) expect(Buffer.from(signature).toString('hex')).toBe(vector.selfSignature);
  });
});

describe('a vouching', () => {
  test('is a statement about address and checkpoint key, and about no other', () => {
    const signature = vouch(identity, kpHsId, checkpointKey);
    expect(vouchingText(kpHsId, checkpointKey).split('\n')).toEqual([
      'onion-signer checkpoint key 1',
      `${chain.address}.onion`,
      expect.stringMatching(/^onion-signer\/[0-9a-f]{8}\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{43}$/u),
      '',
    ]);
    expect(isVouching(signature, kpHsId, checkpointKey)).toBe(true);
    expect(isVouching(signature, kpHsId, kpHsId)).toBe(false);
    expect(isVouching(signature, parseKpHsId(fromHex(raw.vectors[0]?.publicKey ?? '')), checkpointKey)).toBe(
      false,
    );
    // Hedged: never the same twice.
    expect(vouch(identity, kpHsId, checkpointKey)).not.toEqual(signature);
  });

  test('is put before OpenSSL and @noble, and each of them alone refuses what was changed', () => {
    expect(VOUCHING_VERIFIERS).toEqual([ed25519Verify, nobleVerify]);
    const good = vouch(identity, kpHsId, checkpointKey);
    for (const alone of VOUCHING_VERIFIERS) {
      expect(isVouching(good, kpHsId, checkpointKey, [alone])).toBe(true);
      for (const byte of [3, 35]) {
        const spoilt = good.with(byte, (good[byte] ?? 0) ^ 1);
        expect(isVouching(spoilt, kpHsId, checkpointKey, [alone])).toBe(false);
        // One of both is enough.
        const blind = VOUCHING_VERIFIERS.map(verify => (verify === alone ? verify : () => true));
        expect(isVouching(spoilt, kpHsId, checkpointKey, blind)).toBe(false);
      }
    }
  });

  test('is a signed note that is verified with the address alone', () => {
    const note = vouchingNote(kpHsId, checkpointKey, vouch(identity, kpHsId, checkpointKey));
    const { address, key } = openVouching(note);
    expect(address).toBe(`${chain.address}.onion`);
    expect(formatNoteVerifier(key)).toBe(vouchingText(kpHsId, checkpointKey).split('\n')[2]);
    expect(formatNoteVerifier(addressVerifier(kpHsId))).toContain(`${chain.address}.onion+`);
  });

  test('is refused when anything of it was changed', () => {
    const text = vouchingText(kpHsId, checkpointKey);
    const note = (changed: string, name = `${chain.address}.onion`) =>
      formatNote(changed, name, kpHsId, signed(changed));
    expect(openVouching(note(text)).kpHsId).toEqual(kpHsId);
    expect(codeOf(note(text).replace('key 1', 'key 2'))).toBe('NOTE_FORMAT');
    const other = vouchingText(kpHsId, kpHsId).split('\n')[2] ?? '';
    expect(codeOf(note(text).replace(text.split('\n')[2] ?? '', other))).toBe('NOTE_UNVERIFIED');
    expect(codeOf(note(text, 'somebody.onion'))).toBe('NOTE_UNVERIFIED');
    // Well signed, and still no vouching.
    for (const changed of [
      `${text}more\n`,
      text.replace('checkpoint key 1', 'checkpoint key 2'),
      text.replace('.onion', ''),
      text.split('\n').slice(0, 2).join('\n').concat('\n'),
      'onion-signer/00000000\n3\nAAAA\n',
    ]) {
      expect(codeOf(note(changed))).toBe('NOTE_FORMAT');
    }
    expect(codeOf(note(text.replace(/.$/mu, 'x')))).toBe('NOTE_FORMAT');
    expect(codeOf(note(text) + '\n'.repeat(1024))).toBe('NOTE_FORMAT');
  });
});
