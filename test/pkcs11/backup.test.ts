import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { fromHex, parseKpHsId } from '../../src/descriptor/index.ts';
import { encodeAgeFile, parseAgeFile } from '../../src/pkcs11/age-file.ts';
import { unlockWithPassphrase, wrapForPassphrase } from '../../src/pkcs11/age-scrypt.ts';
import {
  type BackupKey,
  fillFromBackup,
  sealCopy,
  verifyCopy,
  withReadyKey,
} from '../../src/pkcs11/backup.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { PAYLOAD_BYTES, publicKeyOfPayload, sealEnvelope } from '../../src/pkcs11/envelope.ts';
import { Secret, withScratch } from '../../src/pkcs11/locked-memory.ts';
import { withPaperKey } from '../../src/pkcs11/paper-key.ts';
import { readPassphrase } from '../../src/pkcs11/passphrase.ts';
import { parsePinSource } from '../../src/pkcs11/pin.ts';
import keyFiles from '../vectors/arti-tor-service-keys.json' with { type: 'json' };
import chain from '../vectors/own-chain.json' with { type: 'json' };
import onionbalanceKey from '../vectors/onionbalance-key.json' with { type: 'json' };
import { createAgeProgram } from './age-program.ts';
import { expectCode, expectCodeOf } from './expect-code.ts';

const age = createAgeProgram();
const folder = mkdtempSync(join(tmpdir(), 'backup-'));
afterAll(() => {
  age.dispose();
  rmSync(folder, { recursive: true });
});

const WORDS = 'correct horse battery staple';
const keyFile = Buffer.concat([
  Buffer.from('== ed25519v1-secret: type0 ==\0\0\0', 'latin1'),
  fromHex(chain.expandedSecret),
]);
const payload = Buffer.concat([keyFile, Buffer.alloc(32, 0x77)]);
const kpHsId = parseKpHsId(publicKeyOfPayload(payload));
const otherService = parseKpHsId(fromHex(keyFiles.publicKeyFile).subarray(32));

let written = 0;
function file(content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, `file-${(written += 1)}`);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const paperKey = (): BackupKey => ({ kind: 'paper', path: age.keyFile });
const wordsKey = (words: string): BackupKey => ({ kind: 'passphrase', source: `file:${file(words)}` });

/** A copy as ours, but quickly made. */
function quickCopy(content: Uint8Array, words = WORDS): Uint8Array {
  const fileKey = Buffer.alloc(16, 9);
  return encodeAgeFile([wrapForPassphrase(fileKey, Buffer.from(words), 4)], fileKey, content);
}

/** What an import gets out of a backup: payload and origin. */
const imported = (bytes: Uint8Array, key: BackupKey): Promise<{ content: Buffer; origin: string }> =>
  withReadyKey(key, ready =>
    withScratch(PAYLOAD_BYTES, out => ({
      origin: fillFromBackup(out, bytes, ready),
      content: Buffer.from(out),
    })),
  );

const today = (): string => `imported-${new Date().toISOString().slice(0, 10)}`;

describe('a paper key', () => {
  const text = readFileSync(age.keyFile, 'utf8');
  const line = /AGE-SECRET-KEY-\S+/u.exec(text)?.[0] ?? '';
  const read = (path: string): Buffer => withPaperKey(path, key => Buffer.from(key));

  test('is read as age-keygen wrote it, with or without comments and line ends of another system', () => {
    for (const content of [text, line, `${line}\n`, `# a\r\n\r\n${line}\r\n`])
      expect(read(file(content))).toEqual(age.privateKey);
    expect(read(file(line, 0o400))).toEqual(age.privateKey);
  });

  test('is wiped when its user returns or throws', () => {
    let kept: Buffer | undefined;
    const act = (): void =>
      withPaperKey(age.keyFile, key => {
        expect(key).toEqual(age.privateKey);
        kept = key;
        throw new Error('on purpose');
      });
    expect(act).toThrow('on purpose');
    expect(kept?.every(byte => byte === 0)).toBe(true);
  });

  test.each<[string, string]>([
    ['no key', '# nothing\n'],
    ['two keys', `${line}\n${line}\n`],
    ['another word', `${line}\nx\n`],
    ['a short key', line.slice(0, -1)],
    ['a public key', age.recipient],
    ['lower case', line.toLowerCase()],
    ['mixed case', line.replace(/[A-Z](?=[^A-Z]*$)/u, letter => letter.toLowerCase())],
    ['a character that none has', line.replace(/.$/u, 'B')],
    ['an encrypted identity', '-----BEGIN AGE ENCRYPTED FILE-----\n'],
    ['a great length', `${line}\n${'#\n'.repeat(3000)}`],
  ])('with %s is refused', (_, content) => {
    expect(content).not.toBe(line);
    expectCode('PAPER_KEY', () => read(file(content)));
  });

  test('is refused after any change of one character', () => {
    for (let at = 0; at < line.length; at += 1) {
      const other = line[at] === 'Q' ? 'P' : 'Q';
      expectCode('PAPER_KEY', () => read(file(line.slice(0, at) + other + line.slice(at + 1))));
    }
  });

  test('must be a regular file of ours that nobody else reads', () => {
    const link = join(folder, 'link');
    symlinkSync(age.keyFile, link);
    for (const path of [file(line, 0o640), file(line, 0o604), link, join(folder, 'none'), 'relative', ''])
      expectCode('PAPER_KEY', () => read(path));
  });
});

describe('a passphrase', () => {
  const read = async (content: string, isNew = false): Promise<string> => {
    const secret = await readPassphrase(parsePinSource(`file:${file(content)}`), isNew);
    return secret.use(bytes => bytes.toString());
  };

  test('is one line of a file; a new one has 16 bytes at least, and 255 at most', async () => {
    expect(await read(`${WORDS}\n`, true)).toBe(WORDS);
    expect(await read(`${WORDS}\r\n`, true)).toBe(WORDS);
    expect(await read('a'.repeat(16), true)).toHaveLength(16);
    expect(await read('a'.repeat(255), true)).toHaveLength(255);
    // A copy that was made elsewhere has the passphrase that it has.
    expect(await read('a')).toBe('a');
    await expectCodeOf('PASSPHRASE', read('a'.repeat(15), true));
    for (const content of ['', '\n', 'a'.repeat(256), `${WORDS}\n\n`, `${WORDS}\t`])
      await expectCodeOf('PASSPHRASE', read(content));
  });

  test('stands in a strict file, never in the arguments', async () => {
    const open = parsePinSource(`file:${file(WORDS, 0o644)}`);
    await expectCodeOf('PASSPHRASE', readPassphrase(open, true));
    await expectCodeOf('PASSPHRASE', readPassphrase(parsePinSource('credential:x'), true));
    const literal = withReadyKey({ kind: 'passphrase', source: WORDS }, () => undefined);
    await expectCodeOf('PIN_LITERAL', literal);
  });
});

describe('a passphrase copy', () => {
  const secret = (words: string): Secret => Secret.copyOf(Buffer.from(words));

  test('of ours is opened by the stock age program at a terminal, and by us', async () => {
    const copy = sealCopy(payload, kpHsId, secret(WORDS));
    expect(parseAgeFile(copy).stanzas.map(({ type, args }) => [type, args[1]])).toEqual([['scrypt', '18']]);
    const [sealed, plain] = [file(copy), join(folder, 'plain')];
    await promisify(execFile)('python3', ['-c', TYPE_PASSPHRASE, WORDS, 'age', '-d', '-o', plain, sealed]);
    expect(readFileSync(plain)).toEqual(payload);
    await withReadyKey(wordsKey(WORDS), key => verifyCopy(copy, kpHsId, key));
  });

  test('of the stock age program is opened here', async () => {
    const [plain, sealed] = [file(payload), join(folder, 'sealed')];
    const args = ['-c', TYPE_PASSPHRASE, WORDS, 'age', '-p', '-o', sealed, plain];
    await promisify(execFile)('python3', args);
    const { content, origin } = await imported(readFileSync(sealed), wordsKey(WORDS));
    expect([content, origin]).toEqual([payload, today()]);
  });

  test('is refused with another passphrase, for another service, without and beside a passphrase', async () => {
    const copy = quickCopy(payload);
    const check = (bytes: Uint8Array, words = WORDS, service = kpHsId): Promise<void> =>
      withReadyKey(wordsKey(words), key => verifyCopy(bytes, service, key));
    await check(copy);
    await expectCodeOf('PASSPHRASE_WRONG', check(copy, `${WORDS} `));
    await expectCodeOf('IDENTITY_MISMATCH', check(copy, WORDS, otherService));
    await expectCodeOf('ENVELOPE_NO_RECIPIENT', check(age.encrypt(payload)));
    await expectCodeOf('ENVELOPE_PAYLOAD', check(quickCopy(keyFile)));
    const [stanza] = parseAgeFile(copy).stanzas;
    const two = encodeAgeFile([stanza!, stanza!], Buffer.alloc(16, 9), payload);
    await expectCodeOf('ENVELOPE_SYNTAX', check(two));
  });

  test('is refused with a work factor that would take the memory of this machine', () => {
    const { stanzas, ...rest } = parseAgeFile(quickCopy(payload));
    const withWork = (work: string) => {
      const changed = stanzas.map(stanza => ({ ...stanza, args: [stanza.args[0] ?? '', work] }));
      unlockWithPassphrase({ ...rest, stanzas: changed }, Buffer.from(WORDS), Buffer.alloc(16));
    };
    withWork('4');
    expectCode('PASSPHRASE_WRONG', () => withWork('5'));
    for (const work of ['21', '22', '99', '0', '04', '+4', '4 ', ''])
      expectCode('ENVELOPE_SYNTAX', () => withWork(work));
  });

  test('is refused whichever bit of it changed', async () => {
    const copy = quickCopy(payload);
    await withReadyKey(wordsKey(WORDS), key => {
      verifyCopy(copy, kpHsId, key);
      for (let at = 0; at < copy.length; at += 1) {
        const changed = Uint8Array.from(copy, (byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte));
        // A work factor of two figures takes a second each; what it says is under the tag of the file key too.
        if (parsed(changed) > 10) continue;
        expect(() => verifyCopy(changed, kpHsId, key), `byte ${at}`).toThrow(CustodyError);
      }
    });
  });
});

/** The work factor of a copy; 0 when it is none. */
function parsed(bytes: Uint8Array): number {
  try {
    return Number(parseAgeFile(bytes).stanzas[0]?.args[1] ?? 0);
  } catch {
    return 0;
  }
}

describe('importing from a backup', () => {
  test('takes an age file with a key file of tor, and one with a key in PEM', async () => {
    const bare = await imported(age.encrypt(keyFile), paperKey());
    expect([bare.content.subarray(0, 96), bare.origin]).toEqual([keyFile, today()]);
    const again = await imported(age.encrypt(keyFile), paperKey());
    expect(again.content.subarray(96)).not.toEqual(bare.content.subarray(96));
    const pem = await imported(age.encrypt(Buffer.from(onionbalanceKey.pem)), paperKey());
    expect(publicKeyOfPayload(pem.content)).not.toEqual(publicKeyOfPayload(bare.content));
    await expectCodeOf('IDENTITY_FILE', imported(age.encrypt(keyFile.subarray(1)), paperKey()));
  });

  test('of an envelope keeps the secret of the service and the origin, which the MAC covers', async () => {
    const modulus = Buffer.alloc(256, 0xc3);
    const token = { kind: 'rsa-oaep', hash: 'sha1', modulus, publicExponent: Uint8Array.of(3) } as const;
    const seal = (ageRecipients: string[]): Uint8Array =>
      sealEnvelope({
        payload,
        kpHsId,
        origin: 'born',
        tokens: [{ ...token, uri: 'pkcs11:' }],
        ageRecipients,
      });
    const envelope = seal([age.recipient]);
    expect(await imported(envelope, paperKey())).toEqual({ content: payload, origin: 'born' });
    const text = Buffer.from(envelope).toString('latin1').replace(' born', ' imported-2026-01-01');
    await expectCodeOf('ENVELOPE_MAC', imported(Buffer.from(text, 'latin1'), paperKey()));
    await expectCodeOf('ENVELOPE_NO_RECIPIENT', imported(seal([]), paperKey()));
  });
});

/** Runs a program on a terminal of its own and types the passphrase (first argument) at each question. */
const TYPE_PASSPHRASE = `
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b''
while True:
    try:
        chunk = os.read(fd, 1024)
    except OSError:
        break
    if not chunk:
        break
    seen += chunk
    while b'assphrase' in seen and b':' in seen.split(b'assphrase', 1)[1]:
        seen = seen.split(b'assphrase', 1)[1].split(b':', 1)[1]
        os.write(fd, sys.argv[1].encode() + b'\\n')
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
