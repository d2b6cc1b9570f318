import { spawnSync } from 'node:child_process';
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  sign,
} from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { hkdfSha256Into, hmacSha256Into } from '../../src/pkcs11/hkdf.ts';
import * as locked from '../../src/pkcs11/locked-memory.ts';
import { Secret, withScratch } from '../../src/pkcs11/locked-memory.ts';
import { expectCode } from './expect-code.ts';
import { compileLyingMlock, underMemoryLimit } from './memory-limit.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

function lockedKilobytes(): number {
  return Number(/VmLck:\s+(\d+)/u.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);
}

describe('a secret', () => {
  test('never shows itself when it is printed, formatted or serialised', () => {
    const secret = Secret.copyOf(Buffer.from('correct horse'));
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ secret }, { showHidden: true }),
    ];
    expect(shown.join()).not.toContain('horse');
    expect(shown.join()).not.toMatch(/63 6f 72 72/u);
    expect(secret.use(bytes => bytes.toString())).toBe('correct horse');
    secret.wipe();
  });

  test('is zeroed by wipe, and cannot be used again', () => {
    const secret = Secret.random(32);
    let window: Buffer | undefined;
    secret.use(bytes => {
      window = bytes;
    });
    expect(window?.every(byte => byte === 0)).toBe(false);
    secret.wipe();
    secret.wipe();
    expect(window?.every(byte => byte === 0)).toBe(true);
    expectCode('SECRET_WIPED', () => secret.use(() => 0));
  });

  test('lies in pages that the kernel counts as locked', () => {
    const before = lockedKilobytes();
    const held = Array.from({ length: 8 }, () => new Secret(4000));
    expect(lockedKilobytes()).toBeGreaterThanOrEqual(before + 32);
    for (const secret of held) secret.wipe();
  });

  test('of scratch is wiped also when its user throws', () => {
    let window: Buffer | undefined;
    const act = () =>
      withScratch(32, bytes => {
        window = bytes.fill(7);
        throw new Error('on purpose');
      });
    expect(act).toThrow('on purpose');
    expect(window?.every(byte => byte === 0)).toBe(true);
  });

  test('in great numbers, one after the other, does not use up the limit of locked memory', () => {
    withScratch(48, () => undefined);
    const before = lockedKilobytes();
    for (let i = 0; i < 5000; i += 1) withScratch(48, bytes => bytes.fill(1));
    expect(lockedKilobytes()).toBe(before);
  });

  test.each([0, -1, 1.5, 0x10_0001])('of %d bytes is refused', length => {
    expectCode('LOCKED_MEMORY', () => new Secret(length));
  });
});

describe('the start-up check', () => {
  const module = fileURLToPath(new URL('../../src/pkcs11/memory-lock.ts', import.meta.url));
  const script = `const { checkLockedMemory } = await import(${JSON.stringify(module)});
    try { checkLockedMemory(); console.log('LOCKED'); } catch (error) { console.log(error.code); }`;
  const check = (start: readonly string[], env: NodeJS.ProcessEnv = {}): string => {
    const [command, ...before] = [...start, process.execPath];
    const args = [...before, '--input-type=module', '-e', script];
    return spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } }).stdout.trim();
  };

  test('passes where memory can be locked and refuses where it cannot', () => {
    expect(check(underMemoryLimit(1024))).toBe('LOCKED');
    expect(check(underMemoryLimit(0))).toBe('LOCKED_MEMORY');
  });

  test('refuses where less is locked than the system says, or nothing at all', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mlock-'));
    try {
      const preloaded = (bytes: number) => check([], { LD_PRELOAD: compileLyingMlock(folder, bytes) });
      // The control: a library of the same kind that locks all.
      expect(preloaded(1 << 20)).toBe('LOCKED');
      expect([0, 4096].map(preloaded)).toEqual(['LOCKED_MEMORY', 'LOCKED_MEMORY']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('primitives in locked memory', () => {
  test.each([0, 1, 63, 64, 65, 200])('hash, HMAC and HKDF of %d bytes equal those of OpenSSL', length => {
    const data = Buffer.alloc(length, 0x5a);
    const salt = Buffer.alloc(length, 0x33);
    const [out32, out64] = [Buffer.alloc(32), Buffer.alloc(64)];
    const halves = [data.subarray(0, length >> 1), data.subarray(length >> 1)] as const;
    locked.sha256Into(out32, ...halves);
    expect(out32).toEqual(createHash('sha256').update(data).digest());
    locked.sha512Into(out64, ...halves);
    expect(out64).toEqual(createHash('sha512').update(data).digest());
    hmacSha256Into(out32, salt, ...halves);
    expect(out32).toEqual(createHmac('sha256', salt).update(data).digest());
    hkdfSha256Into(out32, Buffer.concat([data, data]), salt, Buffer.from('info'));
    expect(out32).toEqual(Buffer.from(hkdfSync('sha256', Buffer.concat([data, data]), salt, 'info', 32)));
  });

  test('HKDF gives one block at most', () => {
    const expand = (length: number) =>
      hkdfSha256Into(Buffer.alloc(length), Buffer.alloc(16), Buffer.alloc(0), Buffer.alloc(0));
    expand(32);
    expectCode('CRYPTO', () => expand(33));
  });

  // RFC 8439 §2.8.2
  test('ChaCha20-Poly1305 makes the vector of RFC 8439', () => {
    const plaintext = Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
    const key = hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f');
    const nonce = hex('070000004041424344454647');
    const ad = hex('50515253c0c1c2c3c4c5c6c7');
    const sealed = Buffer.alloc(plaintext.length + 16);
    locked.chachaSeal(sealed, plaintext, key, nonce, ad);
    expect(sealed.subarray(0, 16).toString('hex')).toBe('d31a8d34648e60db7b86afbc53ef7ec2');
    expect(sealed.subarray(-16).toString('hex')).toBe('1ae10b594f09e26a7e902ecbd0600691');
    const opened = Buffer.alloc(plaintext.length);
    expect(locked.chachaOpen(opened, sealed, key, nonce, ad)).toBe(true);
    expect(opened).toEqual(plaintext);
  });

  test.each(['chacha', 'xchacha'] as const)(
    '%s refuses every changed bit, a wrong length and other data',
    kind => {
      const [sealWith, openWith] = {
        chacha: [locked.chachaSeal, locked.chachaOpen],
        xchacha: [locked.xchachaSeal, locked.xchachaOpen],
      }[kind] as [typeof locked.chachaSeal, typeof locked.chachaOpen];
      const key = Buffer.alloc(32, 1);
      const nonce = Buffer.alloc(kind === 'chacha' ? 12 : 24, 2);
      const ad = Buffer.from('context');
      const sealed = Buffer.alloc(20);
      sealWith(sealed, Buffer.from('data'), key, nonce, ad);
      const out = Buffer.alloc(4);
      expect(openWith(out, sealed, key, nonce, ad)).toBe(true);
      expect(out.toString()).toBe('data');
      for (let bit = 0; bit < sealed.length * 8; bit += 1) {
        const changed = Buffer.from(sealed);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(openWith(out, changed, key, nonce, ad)).toBe(false);
        expect(out.every(byte => byte === 0)).toBe(true);
      }
      expect(openWith(out, sealed, key, nonce, Buffer.from('other'))).toBe(false);
      expect(openWith(Buffer.alloc(3), sealed, key, nonce, ad)).toBe(false);
      expect(openWith(Buffer.alloc(0), sealed.subarray(0, 15), key, nonce, ad)).toBe(false);
    },
  );

  test('X25519 agrees with OpenSSL and refuses a point of low order', () => {
    const [mine, other] = [Buffer.alloc(32, 3), Buffer.alloc(32, 4)];
    const [minePublic, otherPublic, shared] = [Buffer.alloc(32), Buffer.alloc(32), Buffer.alloc(32)];
    locked.x25519PublicInto(minePublic, mine);
    locked.x25519PublicInto(otherPublic, other);
    locked.x25519Into(shared, mine, otherPublic);
    const privateKey = createPrivateKey({
      key: Buffer.concat([hex('302e020100300506032b656e04220420'), mine]),
      format: 'der',
      type: 'pkcs8',
    });
    const publicKey = createPublicKey({
      key: Buffer.concat([hex('302a300506032b656e032100'), otherPublic]),
      format: 'der',
      type: 'spki',
    });
    expect(shared).toEqual(diffieHellman({ privateKey, publicKey }));
    expectCode('CRYPTO', () => locked.x25519Into(shared, mine, Buffer.alloc(32)));
  });

  test('a sealed box opens with its key only and not after a change', () => {
    const [key, stranger] = [Buffer.alloc(32, 5), Buffer.alloc(32, 6)];
    const [publicKey, strangerPublic, out] = [Buffer.alloc(32), Buffer.alloc(32), Buffer.alloc(4)];
    locked.x25519PublicInto(publicKey, key);
    locked.x25519PublicInto(strangerPublic, stranger);
    const sealed = locked.boxSeal(Buffer.from('data'), publicKey);
    expect(locked.boxSealOpen(out, sealed, strangerPublic, stranger)).toBe(false);
    expect(locked.boxSealOpen(out, sealed, publicKey, key)).toBe(true);
    expect(out.toString()).toBe('data');
    sealed[40] = (sealed[40] ?? 0) ^ 1;
    expect(locked.boxSealOpen(out, sealed, publicKey, key)).toBe(false);
    expect(locked.boxSealOpen(Buffer.alloc(3), sealed, publicKey, key)).toBe(false);
  });

  test('Ed25519 signs as OpenSSL does', () => {
    const seed = Buffer.alloc(32, 9);
    const secretKey = new Secret(64);
    const message = Buffer.from('message');
    const key = createPrivateKey({
      key: Buffer.concat([hex('302e020100300506032b657004220420'), seed]),
      format: 'der',
      type: 'pkcs8',
    });
    const publicKey = secretKey.use(bytes => locked.ed25519FromSeed(bytes, seed));
    expect(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)).toEqual(publicKey);
    expect(secretKey.use(bytes => locked.ed25519Sign(message, bytes))).toEqual(sign(null, message, key));
    secretKey.wipe();
  });

  test('secrets are compared by content and length', () => {
    expect(locked.equalSecrets(Buffer.from('ab'), Buffer.from('ab'))).toBe(true);
    expect(locked.equalSecrets(Buffer.from('ab'), Buffer.from('ac'))).toBe(false);
    expect(locked.equalSecrets(Buffer.from('ab'), Buffer.from('abc'))).toBe(false);
  });
});
