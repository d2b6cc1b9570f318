import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { type AgeFile, encodeAgeFile, openAgePayload, parseAgeFile } from '../../src/pkcs11/age-file.ts';
import { unwrapFromX25519, wrapForX25519 } from '../../src/pkcs11/age-x25519.ts';
import { parseAgeRecipient } from '../../src/pkcs11/bech32.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { createAgeProgram } from './age-program.ts';
import { expectCode } from './expect-code.ts';

const age = createAgeProgram();
afterAll(() => age.dispose());

const payload = Buffer.from('payload '.repeat(16));

function makeFile(extra: Parameters<typeof encodeAgeFile>[0] = []): { bytes: Uint8Array; fileKey: Buffer } {
  const fileKey = randomBytes(16);
  const stanza = wrapForX25519(fileKey, parseAgeRecipient(age.recipient));
  return { bytes: encodeAgeFile([...extra, stanza], fileKey, payload), fileKey };
}

function openWith(file: AgeFile, privateKey: Uint8Array): Buffer | undefined {
  const fileKey = Buffer.alloc(16);
  const out = Buffer.alloc(file.chunk.length - 16);
  if (!file.stanzas.some(stanza => unwrapFromX25519(stanza, privateKey, fileKey))) return undefined;
  openAgePayload(file, fileKey, out);
  return out;
}

describe('beside the stock age program', () => {
  test('a file of ours is opened by it', () => {
    expect(age.decrypt(makeFile().bytes)).toEqual(payload);
  });

  test.each([0, 1, 47, 48, 49, 96, 384])(
    'an unknown stanza of %d bytes before its own does not keep it out',
    length => {
      const stranger = { type: 'someone-else', args: ['a', '~'], body: randomBytes(length) };
      const { bytes } = makeFile([stranger]);
      expect(age.decrypt(bytes)).toEqual(payload);
      const read = parseAgeFile(bytes).stanzas[0];
      expect(read).toEqual({ ...stranger, body: Uint8Array.from(stranger.body) });
    },
  );

  test('a file of its making is opened here', () => {
    expect(openWith(parseAgeFile(age.encrypt(payload)), age.privateKey)).toEqual(payload);
  });

  test('a file for another key is opened by neither', () => {
    const stranger = createAgeProgram();
    const { bytes } = makeFile();
    expect(stranger.decrypt(bytes)).toBeUndefined();
    expect(openWith(parseAgeFile(bytes), stranger.privateKey)).toBeUndefined();
    stranger.dispose();
  });
});

describe('a changed file', () => {
  test('is refused whichever bit of it changed', () => {
    const { bytes, fileKey } = makeFile();
    const out = Buffer.alloc(payload.length);
    openAgePayload(parseAgeFile(bytes), fileKey, out);
    expect(out).toEqual(payload);
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(() => openAgePayload(parseAgeFile(changed), fileKey, out), `byte ${at}`).toThrow(CustodyError);
    }
  });

  test('is refused at whatever length it was cut', () => {
    const { bytes, fileKey } = makeFile();
    for (let length = 0; length < bytes.length; length += 1) {
      const out = Buffer.alloc(payload.length);
      expect(() => openAgePayload(parseAgeFile(bytes.slice(0, length)), fileKey, out), `${length}`).toThrow(
        CustodyError,
      );
      expect(out.every(byte => byte === 0)).toBe(true);
    }
  });

  test('is refused with bytes behind its end', () => {
    const { bytes, fileKey } = makeFile();
    const longer = Buffer.concat([bytes, Buffer.of(0)]);
    expectCode('ENVELOPE_PAYLOAD', () =>
      openAgePayload(parseAgeFile(longer), fileKey, Buffer.alloc(payload.length)),
    );
    expectCode('ENVELOPE_PAYLOAD', () =>
      openAgePayload(parseAgeFile(longer), fileKey, Buffer.alloc(payload.length + 1)),
    );
  });

  test('under another file key says that the header was changed', () => {
    const { bytes } = makeFile();
    expectCode('ENVELOPE_MAC', () =>
      openAgePayload(parseAgeFile(bytes), randomBytes(16), Buffer.alloc(payload.length)),
    );
  });
});

describe('the header', () => {
  const text = () => Buffer.from(makeFile().bytes).toString('latin1');

  test('is accepted as it was written (control)', () => {
    expect(parseAgeFile(Buffer.from(text(), 'latin1')).stanzas).toHaveLength(1);
  });

  test.each<[string, (file: string) => string]>([
    ['another version', file => file.replace('/v1\n', '/v2\n')],
    ['CR LF', file => file.replace('\n', '\r\n')],
    ['no stanza', file => file.replace(/-> X25519 .*\n.*\n/u, '')],
    ['two blanks', file => file.replace('-> X25519 ', '-> X25519  ')],
    ['a blank at the end of a stanza', file => file.replace(/(-> X25519 \S+)\n/u, '$1 \n')],
    ['padding in a body', file => file.replace(/(-> .*\n[^\n]*)\n/u, '$1=\n')],
    ['a long line in a body', file => file.replace(/(-> .*\n)/u, `$1${'A'.repeat(65)}\n`)],
    ['a MAC with padding', file => file.replace(/(--- \S{43})\n/u, '$1=\n')],
    ['a short MAC', file => file.replace(/(--- \S{42})\S\n/u, '$1\n')],
    ['a MAC that is not canonical', file => file.replace(/(--- \S{42})\S\n/u, '$1B\n')],
    ['a byte beyond ASCII', file => file.replace('X25519 ', 'X25519 \u00e9')],
    ['no end', file => file.slice(0, 60)],
    ['33 stanzas', file => file.replace('\n', `\n${'-> a\n\n'.repeat(32)}`)],
    ['a great length', file => `${file}${'x'.repeat(0x8000)}`],
  ])('with %s is refused', (_, change) => {
    const original = text();
    const changed = change(original);
    expect(changed).not.toBe(original);
    expectCode('ENVELOPE_SYNTAX', () => parseAgeFile(Buffer.from(changed, 'latin1')));
  });

  test('with 32 stanzas is accepted', () => {
    const changed = text().replace('\n', `\n${'-> a\n\n'.repeat(31)}`);
    expect(parseAgeFile(Buffer.from(changed, 'latin1')).stanzas).toHaveLength(32);
  });
});

test('a payload is 1 byte to 16 KiB', () => {
  const fileKey = randomBytes(16);
  const stanzas = [{ type: 'a', args: [], body: new Uint8Array(0) }];
  for (const length of [1, 0x4000]) {
    expect(parseAgeFile(encodeAgeFile(stanzas, fileKey, new Uint8Array(length))).chunk).toHaveLength(
      length + 16,
    );
  }
  for (const length of [0, 0x4001]) {
    expectCode('ENVELOPE_PAYLOAD', () => encodeAgeFile(stanzas, fileKey, new Uint8Array(length)));
  }
});
