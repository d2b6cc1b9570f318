import { ed25519 } from '@noble/curves/ed25519.js';
import { concat } from '../../src/descriptor/bytes.ts';
import { type Bytes, sha512 } from '../../src/descriptor/index.ts';
import { noise } from '../descriptor/forge.ts';
import { ascii, flipped } from './compact.ts';
import { type CorpusFile, type Group, fileOf } from './corpus-file.ts';
import { ORDER, SMALL_ORDER, littleEndian, littleEndianBytes, rawSignature } from './curve.ts';

const GROUP: Group = {
  format: 'signature',
  section: 'RFC 8032 5.1.7',
  control: 'signature-plain',
  ending: '.bin',
};

const SECRET = littleEndian(noise('corpus secret', 32)) % ORDER;
const NONCE = littleEndian(noise('corpus nonce', 32)) % ORDER;
const MESSAGE = ascii('a message');
const P = ed25519.Point.Fp.ORDER;

/** Public key, signature and message in one file. */
const joined = ({ publicKey, signature }: { publicKey: Bytes; signature: Bytes }, message = MESSAGE): Bytes =>
  concat(publicKey, signature, message);

/** The first message, counted up, whose challenge leaves this remainder by 8. */
function messageWith(
  wanted: (k: bigint) => boolean,
  torsion: { torsionInR?: boolean; torsionInA?: boolean },
): Bytes {
  for (let i = 0; ; i++) {
    const message = ascii(`message ${i}`);
    const raw = rawSignature({ secret: SECRET, nonce: NONCE, message, ...torsion });
    if (wanted(raw.k)) return joined(raw, message);
  }
}

/** Signatures that verifiers disagree about: second encodings, and points with a torsion part. */
export function signatureFiles(): CorpusFile[] {
  const good = rawSignature({ secret: SECRET, nonce: NONCE, message: MESSAGE });
  const { publicKey, signature } = good;
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
  const file = (name: string, shows: string, bytes: Bytes, control?: string): CorpusFile =>
    fileOf(GROUP, `signature-${name}`, shows, bytes, {
      code: 'BAD_SIGNATURE',
      ...(control === undefined ? {} : { control: `signature-${control}` }),
    });
  const withS = (value: bigint): Bytes =>
    joined({ publicKey, signature: concat(r, littleEndianBytes(value)) });
  const value = littleEndian(s);
  return [
    fileOf(GROUP, 'signature-plain', 'a good signature', joined(good)),
    fileOf(
      GROUP,
      'signature-empty-message',
      'a good signature over nothing',
      joined(rawSignature({ secret: SECRET, nonce: NONCE, message: new Uint8Array() }), new Uint8Array()),
    ),
    file('s-plus-order', 'S + l: a second text of one signature', withS(value + ORDER)),
    file('s-plus-14-orders', 'S + 14 l', withS(value + 14n * ORDER)),
    file('s-order', 'S = l', withS(ORDER)),
    file('s-top-bits', 'the top bits of S set', withS(value + (7n << 253n))),
    file('s-changed', 'one bit of S', joined({ publicKey, signature: flipped(signature, 40) })),
    file('s-negated', 'l - S', withS(ORDER - value)),
    file('r-changed', 'one bit of R', joined({ publicKey, signature: flipped(signature, 4) })),
    file(
      'r-sign',
      'the sign of R',
      joined({ publicKey, signature: signature.with(31, (signature[31] ?? 0) ^ 0x80) }),
    ),
    file(
      'r-not-canonical',
      'R with y = p + 1',
      joined({ publicKey, signature: concat(littleEndianBytes(P + 1n), s) }),
    ),
    file(
      'key-sign',
      'the sign of the key',
      joined({ publicKey: publicKey.with(31, (publicKey[31] ?? 0) ^ 0x80), signature }),
    ),
    file(
      'key-not-canonical',
      'a key with y = p + 3',
      joined({ publicKey: littleEndianBytes(P + 3n), signature }),
    ),
    file('message-changed', 'another message', joined(good, ascii('b message'))),
    file('zeros', 'key and signature of zeros', new Uint8Array(96)),
    ...SMALL_ORDER.map((point, i) =>
      file(
        `key-small-order-${i}`,
        'R = S·B and a key of small order',
        joined({
          publicKey: point,
          signature: concat(ed25519.Point.BASE.multiply(NONCE).toBytes(), littleEndianBytes(NONCE)),
        }),
      ),
    ),
    file('r-small-order', 'R is the identity, S = k·a', identityNonce()),
    fileOf(
      GROUP,
      'signature-key-torsion-exact',
      'a key with a torsion part that k cancels: the exact equation holds',
      messageWith(k => k % 8n === 0n, { torsionInA: true }),
    ),
    file(
      'key-torsion',
      'a key with a torsion part: the equation holds only with the cofactor',
      messageWith(k => k % 8n === 3n, { torsionInA: true }),
      'key-torsion-exact',
    ),
    file(
      'r-torsion',
      'R with a torsion part: the equation holds only with the cofactor',
      messageWith(() => true, { torsionInR: true }),
    ),
    fileOf(
      GROUP,
      'signature-both-torsion-exact',
      'torsion in R and key that cancel: the exact equation holds',
      messageWith(k => k % 8n === 7n, { torsionInA: true, torsionInR: true }),
    ),
    file(
      'both-torsion',
      'torsion in R and key that does not cancel',
      messageWith(k => k % 8n === 2n, { torsionInA: true, torsionInR: true }),
      'both-torsion-exact',
    ),
  ];
}

/** R = 0·B: who signs so shows the key, and OpenSSL refuses it. */
function identityNonce(): Bytes {
  const [r] = SMALL_ORDER;
  const { publicKey } = rawSignature({ secret: SECRET, nonce: NONCE, message: MESSAGE });
  const k = rawK(r ?? new Uint8Array(32), publicKey);
  return joined({
    publicKey,
    signature: concat(r ?? new Uint8Array(32), littleEndianBytes((k * SECRET) % ORDER)),
  });
}

function rawK(r: Bytes, publicKey: Bytes): bigint {
  return littleEndian(sha512(r, publicKey, MESSAGE)) % ORDER;
}
