import { generateKeyPairSync, privateDecrypt, constants, type KeyObject } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { formatOnionAddress, fromHex, type KpHsId, parseKpHsId } from '../../src/descriptor/index.ts';
import { encodeAgeFile, parseAgeFile } from '../../src/pkcs11/age-file.ts';
import {
  encryptOaep,
  openEnvelope,
  type OpenedIdentity,
  PAYLOAD_BYTES,
  publicKeyOfPayload,
  sealEnvelope,
  type SealEnvelopeOptions,
  unlockWithToken,
} from '../../src/pkcs11/envelope.ts';
import { parseEnvelope, readEnvelopeHeader, type TokenStanza } from '../../src/pkcs11/envelope-header.ts';
import { recipientName, type RsaRecipient } from '../../src/pkcs11/recipient.ts';
import type { OaepHash } from '../../src/pkcs11/token-keys.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import raw from '../vectors/tor-ed25519-blinding.json' with { type: 'json' };
import { createAgeProgram } from './age-program.ts';
import { expectCode } from './expect-code.ts';

const age = createAgeProgram();
afterAll(() => age.dispose());

const TAG = '== ed25519v1-secret: type0 ==\0\0\0';

/** An RSA key in software: what a token does, without one. The token itself is in token-process.test.ts. */
function makeRsaKey(hash: OaepHash = 'sha256', bits = 2048) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const jwk = privateKey.export({ format: 'jwk' });
  const recipient: RsaRecipient = {
    kind: 'rsa-oaep',
    uri: 'pkcs11:token=a;serial=1',
    modulus: Buffer.from(jwk.n ?? '', 'base64url'),
    publicExponent: Buffer.from(jwk.e ?? '', 'base64url'),
    hash,
  };
  return { recipient, unwrap: softwareUnwrap(privateKey) };
}

type Unwrap = Parameters<typeof unlockWithToken>[1];

function softwareUnwrap(key: KeyObject): Unwrap {
  return (stanza: TokenStanza, out) => {
    const oaepHash = stanza.kind === 'rsa-oaep' ? stanza.hash : '';
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const plain = privateDecrypt({ key, oaepHash, padding }, stanza.wrapped);
    out.set(plain);
    return plain.length;
  };
}

function identityOf(expandedSecret: string): { payload: Buffer; kpHsId: KpHsId } {
  const payload = Buffer.concat([
    Buffer.from(TAG, 'latin1'),
    fromHex(expandedSecret),
    Buffer.alloc(32, 0x77),
  ]);
  return { payload, kpHsId: parseKpHsId(publicKeyOfPayload(payload)) };
}

const ours = identityOf(chain.expandedSecret);
const other = identityOf(raw.vectors[0]?.expandedSecret ?? '');
const rsa = makeRsaKey();
const spare = makeRsaKey('sha1', 3072);

function seal(changes: Partial<SealEnvelopeOptions> = {}): Uint8Array {
  const origin = 'imported-2026-02-28';
  return sealEnvelope({
    ...ours,
    origin,
    tokens: [rsa.recipient],
    ageRecipients: [age.recipient],
    ...changes,
  });
}

function open<T>(
  envelope: Uint8Array,
  changes: { readonly kpHsId?: KpHsId; readonly keyTag?: string; readonly unwrap?: Unwrap },
  use: (identity: OpenedIdentity) => T,
): T {
  const { kpHsId = ours.kpHsId, keyTag = recipientName(rsa.recipient), unwrap = rsa.unwrap } = changes;
  return openEnvelope(envelope, { kpHsId, unlock: unlockWithToken(keyTag, unwrap) }, use);
}

const payloadOf = ({ payload }: OpenedIdentity) => Buffer.from(payload);

describe('an envelope', () => {
  test('is opened by each of its tokens, with parts and origin', () => {
    const envelope = seal({ tokens: [rsa.recipient, spare.recipient] });
    open(envelope, {}, identity => {
      expect(Buffer.from(identity.payload)).toEqual(ours.payload);
      expect(Buffer.from(identity.scalar).toString('hex')).toBe(chain.expandedSecret.slice(0, 64));
      expect(Buffer.from(identity.prfHalf).toString('hex')).toBe(chain.expandedSecret.slice(64));
      expect(Buffer.from(identity.serviceSecret)).toEqual(Buffer.alloc(32, 0x77));
      expect(identity.origin).toBe('imported-2026-02-28');
    });
    const withSpare = { keyTag: recipientName(spare.recipient), unwrap: spare.unwrap };
    expect(open(envelope, withSpare, payloadOf)).toEqual(ours.payload);
  });

  test('is opened by the stock age program with the paper key, and begins with the key file of tor', () => {
    const plain = age.decrypt(seal());
    expect(plain).toHaveLength(PAYLOAD_BYTES);
    expect(plain?.subarray(0, 96)).toEqual(ours.payload.subarray(0, 96));
  });

  test('names address and origin in its header', () => {
    const { address, origin, tokens } = parseEnvelope(seal());
    expect(`${address}.onion`).toBe(formatOnionAddress(ours.kpHsId));
    expect(origin).toBe('imported-2026-02-28');
    expect(tokens.map(({ keyTag }) => keyTag)).toEqual([recipientName(rsa.recipient)]);
    expect(readEnvelopeHeader(seal())).toEqual({ address, origin });
  });

  test('is wiped from memory when its user returns, and when it throws', () => {
    let kept: Uint8Array | undefined;
    open(seal(), {}, ({ payload }) => {
      kept = payload;
    });
    expect(kept?.every(byte => byte === 0)).toBe(true);
    const act = () =>
      open(seal(), {}, ({ payload }) => {
        kept = payload;
        throw new Error('on purpose');
      });
    expect(act).toThrow('on purpose');
    expect(kept?.every(byte => byte === 0)).toBe(true);
  });
});

describe('before an identity is used', () => {
  test('a swapped envelope is refused without asking the token', () => {
    let asked = false;
    const unwrap: Unwrap = (...args) => {
      asked = true;
      return rsa.unwrap(...args);
    };
    expectCode('IDENTITY_MISMATCH', () => open(seal(other), { unwrap }, payloadOf));
    expect(asked).toBe(false);
    open(seal(), { unwrap }, payloadOf);
    expect(asked).toBe(true);
  });

  test('a key that is not the one of the address in the header is refused', () => {
    const fileKey = Buffer.alloc(16, 1);
    const stanzas = parseAgeFile(seal()).stanzas.map(stanza => ({
      ...stanza,
      body: encryptOaep(rsa.recipient, fileKey),
    }));
    const forge = (payload: Uint8Array) => encodeAgeFile(stanzas.slice(1, 2), fileKey, payload);
    expect(open(forge(ours.payload), {}, payloadOf)).toEqual(ours.payload);
    expectCode('IDENTITY_MISMATCH', () => open(forge(other.payload), {}, payloadOf));
    expectCode('ENVELOPE_PAYLOAD', () => open(forge(ours.payload.subarray(0, 96)), {}, payloadOf));
    const notTor = Buffer.from(ours.payload).fill(0, 0, 4);
    expectCode('IDENTITY_FILE', () => open(forge(notTor), {}, payloadOf));
  });

  test('the address in the header cannot be changed: it stands under the MAC', () => {
    const [from, to] = [ours, other].map(({ kpHsId }) => formatOnionAddress(kpHsId).slice(0, 56));
    const text = Buffer.from(seal()).toString('latin1');
    const changed = Buffer.from(text.replace(from ?? '', to ?? ''), 'latin1');
    expectCode('ENVELOPE_MAC', () => open(changed, { kpHsId: other.kpHsId }, payloadOf));
  });

  test('the origin in the header cannot be changed', () => {
    const text = Buffer.from(seal()).toString('latin1');
    expectCode('ENVELOPE_MAC', () =>
      open(Buffer.from(text.replace('imported-2026-02-28', 'born'), 'latin1'), {}, payloadOf),
    );
  });

  test('a token that it was not sealed to, a refusal and a short answer of the token are told apart', () => {
    const envelope = seal();
    expectCode('ENVELOPE_NO_RECIPIENT', () =>
      open(envelope, { keyTag: recipientName(spare.recipient) }, payloadOf),
    );
    expectCode('ENVELOPE_UNWRAP', () => open(envelope, { unwrap: () => 15 }, payloadOf));
    expectCode('ENVELOPE_MAC', () => open(envelope, { unwrap: () => 16 }, payloadOf));
  });
});

describe('the header of an envelope', () => {
  const text = () => Buffer.from(seal({ tokens: [rsa.recipient, spare.recipient] })).toString('latin1');
  const parse = (file: string) => parseEnvelope(Buffer.from(file, 'latin1'));

  test('is read as it was written (control)', () => {
    expect(parse(text()).tokens).toHaveLength(2);
  });

  test.each<[string, (file: string) => string]>([
    ['two addresses', file => file.replace(/[a-z2-7]{56}/u, 'a'.repeat(56))],
    ['two origins', file => file.replace('imported-2026-02-28', 'born')],
    ['a day that does not exist', file => file.replaceAll('2026-02-28', '2026-02-30')],
    ['another hash', file => file.replace(' sha1 ', ' md5 ')],
    ['a word too many', file => file.replace(' sha1 ', ' sha1 x ')],
    [
      'one token twice',
      file => file.replaceAll(recipientName(spare.recipient), recipientName(rsa.recipient)),
    ],
    ['a name of nobody', file => file.replace(/(rsa-oaep sha1 )\S{16}/u, `$1${'A'.repeat(16)}`)],
    [
      'a name of another hash',
      file =>
        file.replace('-> onion-signer-recipient rsa-oaep sha1', '-> onion-signer-recipient rsa-oaep sha256'),
    ],
    ['a name twice', file => file.replace(/(-> onion-signer-recipient X25519 .*\n\n)/u, '$1$1')],
    ['more names than paper keys', file => file.replace('\n-> X25519', '\n-> Y25519')],
    ['a name with a module', file => file.replace('serial=1', 'serial=1?module-path=/x.so')],
    ['a name of a kind that is none', file => file.replace('recipient X25519', 'recipient X448')],
    ['a passphrase beside the tokens', file => file.replace('-> X25519', '-> scrypt')],
    ['a short wrapped key', file => file.replace(/(-> onion-signer-rsa-oaep .*\n)(?:\S{64}\n)+/u, '$1')],
  ])('with %s is refused', (_, change) => {
    const original = text();
    const changed = change(original);
    expect(changed).not.toBe(original);
    expectCode('ENVELOPE_SYNTAX', () => parse(changed));
  });

  test('without a stanza of ours is a file for somebody else', () => {
    expectCode('ENVELOPE_NO_RECIPIENT', () => parseEnvelope(age.encrypt(ours.payload)));
  });
});

describe('sealing', () => {
  test('refuses a payload that is not of the address, not whole, or no key of tor', () => {
    expectCode('IDENTITY_MISMATCH', () => seal({ kpHsId: other.kpHsId }));
    expectCode('IDENTITY_FILE', () => seal({ payload: ours.payload.subarray(0, 127) }));
    expectCode('IDENTITY_FILE', () => seal({ payload: Buffer.alloc(PAYLOAD_BYTES) }));
    expect(open(seal(), {}, payloadOf)).toEqual(ours.payload);
  });

  test('refuses to do without a token, and one recipient twice', () => {
    expectCode('ENVELOPE_RECIPIENT', () => seal({ tokens: [] }));
    expectCode('ENVELOPE_RECIPIENT', () => seal({ tokens: [rsa.recipient, rsa.recipient] }));
    expectCode('ENVELOPE_RECIPIENT', () => seal({ ageRecipients: [age.recipient, age.recipient] }));
    expectCode('ENVELOPE_RECIPIENT', () => seal({ ageRecipients: ['age1'] }));
    expect(open(seal({ ageRecipients: [] }), {}, payloadOf)).toEqual(ours.payload);
  });

  test('refuses RSA keys below 2048 bits', () => {
    expectCode('KEY_UNSUITABLE', () => seal({ tokens: [makeRsaKey('sha256', 1024).recipient] }));
  });

  test('twice makes two files that share no wrapped key, nonce or ciphertext', () => {
    const [one, two] = [parseAgeFile(seal()), parseAgeFile(seal())];
    expect(one.nonce).not.toEqual(two.nonce);
    expect(one.chunk).not.toEqual(two.chunk);
    expect(one.stanzas[0]).toEqual(two.stanzas[0]);
    expect(one.stanzas[1]?.body).not.toEqual(two.stanzas[1]?.body);
  });
});
