import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeBase64Unpadded } from '../../src/descriptor/index.ts';
import { parseEnvelope } from '../../src/pkcs11/envelope-header.ts';
import { recipientName } from '../../src/pkcs11/recipient.ts';
import type { ResealRequest, SealedIdentity } from '../../src/pkcs11/seal-messages.ts';
import type { TokenAccess } from '../../src/pkcs11/token-messages.ts';
import { type AgeProgram, createAgeProgram } from './age-program.ts';
import { expectCodeOf } from './expect-code.ts';
import { createTokenRig, opened, type TokenRig } from './token-rig.ts';

/** Four tokens of one store: RSA, a spare with RSA, AES, and AES with a key that can leave it. */
let rig: TokenRig;
let spare: TokenAccess;
let aes: TokenAccess;
let loose: TokenAccess;
let paper: AgeProgram;

async function aesToken(label: string, kind: 'kept' | 'extractable'): Promise<TokenAccess> {
  const uri = await rig.hsm.addToken(label);
  const program = fileURLToPath(new URL('programs/make-aes-key.ts', import.meta.url));
  const args = ['--no-warnings', program, rig.hsm.modulePath, label, rig.hsm.pinFile, 'seal', kind];
  await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...rig.hsm.env } });
  return rig.hsm.access(uri);
}

beforeAll(async () => {
  rig = await createTokenRig();
  paper = createAgeProgram();
  const uri = await rig.hsm.addToken('spare');
  await rig.hsm.makeKey({ uri });
  spare = rig.hsm.access(uri);
  [aes, loose] = [await aesToken('aes', 'kept'), await aesToken('loose', 'extractable')];
});
afterAll(async () => {
  paper.dispose();
  await rig.dispose();
});

const namesOf = (envelope: Uint8Array) => parseEnvelope(envelope).recipients.map(recipientName);

function reseal(sealed: SealedIdentity, changes: Partial<ResealRequest>): Promise<SealedIdentity> {
  const { envelope, kpHsId } = sealed;
  const none = { added: [], ageRecipients: [], remove: [] };
  return rig.client().reseal({ envelope, kpHsId, tokens: [rig.hsm.access()], ...none, ...changes });
}

async function opensWith(sealed: SealedIdentity, access: TokenAccess): Promise<Buffer> {
  const { envelope, kpHsId } = sealed;
  const openings = [{ envelope, kpHsId, periods: [] }];
  const [result] = await rig.client().open(rig.openRequest({ access, openings }));
  opened(result);
  return rig.serviceSecretOf(result);
}

const verify = (sealed: SealedIdentity, access: TokenAccess): Promise<string> =>
  rig.client().verify({ envelope: sealed.envelope, kpHsId: sealed.kpHsId, by: { kind: 'token', access } });

describe('an envelope names its recipients', () => {
  test('by token and serial number, or by the age key, and each name is the one that opens it', async () => {
    const { recipients } = parseEnvelope(rig.sealed.envelope);
    expect(recipients.map(({ kind }) => kind)).toEqual(['rsa-oaep', 'X25519']);
    expect(recipients[0]).toMatchObject({ uri: rig.hsm.uri.split('?')[0], hash: 'sha1' });
    expect(namesOf(rig.sealed.envelope)).toEqual([
      await verify(rig.sealed, rig.hsm.access()),
      rig.age.recipient,
    ]);
  });
});

describe('a recipient more', () => {
  test('opens the envelope, whoever had it before still does, and nothing but the wrapping changed', async () => {
    const more = await reseal(rig.sealed, { added: [spare], ageRecipients: [paper.recipient] });
    const plain = rig.age.decrypt(rig.sealed.envelope);
    expect(plain).toHaveLength(128);
    for (const program of [rig.age, paper]) expect(program.decrypt(more.envelope)).toEqual(plain);
    for (const access of [rig.hsm.access(), spare])
      expect(await opensWith(more, access)).toEqual(plain?.subarray(96));
    expect(more).toMatchObject({ origin: rig.sealed.origin, kpHsId: rig.sealed.kpHsId });
    expect(namesOf(more.envelope)).toHaveLength(4);
    const [before, after] = [rig.sealed, more].map(({ envelope }) => parseEnvelope(envelope).file);
    expect(after?.nonce).not.toEqual(before?.nonce);
    expect(after?.chunk).not.toEqual(before?.chunk);

    // The spare from the drawer was not there, and is a recipient still.
    const less = await reseal(more, { remove: [rig.age.recipient] });
    expect(namesOf(less.envelope)).toEqual(namesOf(more.envelope).filter(name => name !== rig.age.recipient));
    expect(rig.age.decrypt(less.envelope)).toBeUndefined();
    expect(paper.decrypt(less.envelope)).toEqual(plain);
    expect(await opensWith(less, spare)).toEqual(plain?.subarray(96));
    // What was removed still opens what it had: destroying old files is a person's work.
    expect(rig.age.decrypt(more.envelope)).toEqual(plain);
  });

  test('is not one that is there already, nor no key at all', async () => {
    await expectCodeOf('ENVELOPE_RECIPIENT', reseal(rig.sealed, { ageRecipients: [rig.age.recipient] }));
    await expectCodeOf('ENVELOPE_RECIPIENT', reseal(rig.sealed, { added: [rig.hsm.access()] }));
    await expectCodeOf('ENVELOPE_RECIPIENT', reseal(rig.sealed, { ageRecipients: ['age1no'] }));
  });

  test('needs a token that can open the envelope', async () => {
    await expectCodeOf('ENVELOPE_NO_RECIPIENT', reseal(rig.sealed, { tokens: [spare] }));
  });
});

describe('a recipient less', () => {
  test('must be one of the envelope, and one token stays', async () => {
    await expectCodeOf('RECIPIENT_UNKNOWN', reseal(rig.sealed, { remove: [paper.recipient] }));
    const [token = ''] = namesOf(rig.sealed.envelope);
    await expectCodeOf('ENVELOPE_RECIPIENT', reseal(rig.sealed, { remove: [token] }));
  });

  test('may be the token that opens it, when another one stays', async () => {
    const both = await reseal(rig.sealed, { added: [spare] });
    const [token = ''] = namesOf(both.envelope);
    const moved = await reseal(both, { remove: [token] });
    expect(await opensWith(moved, spare)).toHaveLength(32);
    const refused = await opensWith(moved, rig.hsm.access()).catch((error: unknown) => error);
    expect(refused).toMatchObject({ cause: { code: 'ENVELOPE_NO_RECIPIENT' } });
  });

  test('is refused while the envelope has one without a name', async () => {
    const text = Buffer.from(rig.sealed.envelope).toString('latin1');
    const unnamed = Buffer.from(text.replace(/-> onion-signer-recipient X25519 .*\n\n/u, ''), 'latin1');
    expect(parseEnvelope(unnamed).recipients).toHaveLength(1);
    // Taken out of the header, which is under the MAC.
    await expectCodeOf('ENVELOPE_MAC', reseal({ ...rig.sealed, envelope: unnamed }, {}));
  });
});

describe('an AES key inside a token', () => {
  test('opens what is sealed to it, beside an RSA key and alone', async () => {
    const sealed = await rig.client().seal(rig.sealRequest({ tokens: [aes] }));
    const plain = rig.age.decrypt(sealed.envelope);
    expect(plain).toHaveLength(128);
    expect(await opensWith(sealed, aes)).toEqual(plain?.subarray(96));
    expect(parseEnvelope(sealed.envelope).tokens[0]?.wrapped).toHaveLength(44);
    const both = await rig.client().seal(rig.sealRequest({ tokens: [rig.hsm.access(), aes] }));
    for (const access of [rig.hsm.access(), aes]) expect(await opensWith(both, access)).toHaveLength(32);
  });

  test('has to be here when the envelope is sealed again', async () => {
    const both = await reseal(rig.sealed, { added: [aes] });
    await expectCodeOf('RECIPIENT_ABSENT', reseal(both, { ageRecipients: [paper.recipient] }));
    const more = await reseal(both, {
      tokens: [rig.hsm.access(), aes],
      ageRecipients: [paper.recipient],
    });
    expect(await opensWith(more, aes)).toEqual(paper.decrypt(more.envelope)?.subarray(96));
    const name = await verify(more, aes);
    expect(namesOf((await reseal(more, { remove: [name] })).envelope)).not.toContain(name);
  });

  test('is refused when it can leave its token', async () => {
    await expectCodeOf('KEY_UNSUITABLE', rig.client().seal(rig.sealRequest({ tokens: [loose] })));
  });

  test('takes a wrapped key for its own envelope only, whichever bit of it changed', async () => {
    const [one, two] = [
      await rig.client().seal(rig.sealRequest({ tokens: [aes] })),
      await rig.client().seal(rig.sealRequest({ tokens: [aes] })),
    ];
    const wrapped = parseEnvelope(one.envelope).tokens[0]?.wrapped ?? new Uint8Array(0);
    const other = parseEnvelope(two.envelope).tokens[0]?.wrapped ?? new Uint8Array(0);
    const withBody = (body: Uint8Array): Uint8Array =>
      Buffer.from(
        Buffer.from(one.envelope)
          .toString('latin1')
          .replace(encodeBase64Unpadded(wrapped), encodeBase64Unpadded(body)),
        'latin1',
      );
    const flip = (at: number): Uint8Array =>
      Uint8Array.from(wrapped, (byte, i) => (i === at ? byte ^ 1 : byte));
    // Nonce, ciphertext, tag; and a stanza of another address, which is its context.
    const bodies = [wrapped, flip(0), flip(12), flip(43), other];
    const openings = bodies.map(body => ({ envelope: withBody(body), kpHsId: one.kpHsId, periods: [] }));
    const results = await rig.client().open(rig.openRequest({ access: aes, openings }));
    const codes = results.map(result => ('error' in result ? result.error.code : 'opened'));
    expect(codes).toEqual(['opened', ...Array.from({ length: 4 }, () => 'ENVELOPE_UNWRAP')]);
  });
});
