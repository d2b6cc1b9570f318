import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Writes a fresh onion service key into `folder` as tor does (rend-spec-v3 §1.2, §6), so that the address is known
 * before tor starts. Written apart from src/descriptor on purpose. Returns 56 characters and `.onion`.
 */
export async function writeOnionKeyFiles(folder: string): Promise<string> {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(jwk.d ?? '', 'base64url');
  const publicKey = Buffer.from(jwk.x ?? '', 'base64url');
  const expanded = createHash('sha512').update(seed).digest();
  expanded[0] = expanded[0]! & 0xf8;
  expanded[31] = (expanded[31]! & 0x7f) | 0x40;
  const address = onionAddress(publicKey);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files: [string, Buffer][] = [
    ['hs_ed25519_secret_key', tagged('== ed25519v1-secret: type0 ==', expanded)],
    ['hs_ed25519_public_key', tagged('== ed25519v1-public: type0 ==', publicKey)],
    ['hostname', Buffer.from(`${address}\n`)],
  ];
  await Promise.all(files.map(([name, bytes]) => writeFile(join(folder, name), bytes, { mode: 0o600 })));
  return address;
}

function tagged(tag: string, key: Buffer): Buffer {
  return Buffer.concat([Buffer.from(tag), Buffer.alloc(32 - tag.length), key]);
}

function onionAddress(publicKey: Buffer): string {
  const version = Buffer.of(3);
  const checksum = createHash('sha3-256')
    .update('.onion checksum')
    .update(publicKey)
    .update(version)
    .digest();
  const bits = [...publicKey, ...checksum.subarray(0, 2), ...version]
    .map(byte => byte.toString(2).padStart(8, '0'))
    .join('');
  const digits = bits.match(/.{5}/gu) ?? [];
  return `${digits.map(digit => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(digit, 2)]).join('')}.onion`;
}
