import { createHash, randomBytes } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { blindingParam, clampTweak, parseKpHsId, type TimePeriod } from '../../src/descriptor/index.ts';
import type { Needle } from './memory-scan.ts';

const ORDER = ed25519.Point.Fn.ORDER;
const HEADER = Buffer.from('== ed25519v1-secret: type0 ==\0\0\0');

/** An identity whose every secret the test knows, because it has to look for them. */
export interface KnownIdentity {
  /** 96 bytes: tor's hs_ed25519_secret_key. */
  readonly file: Buffer;
  /** Seed, scalar, PRF half, and the blinded scalar and PRF half of each of these periods. */
  needles(periods: readonly TimePeriod[]): Needle[];
}

export function makeKnownIdentity(): KnownIdentity {
  const seed = randomBytes(32);
  const expanded = createHash('sha512').update(seed).digest();
  expanded[0] = (expanded[0] ?? 0) & 0xf8;
  expanded[31] = ((expanded[31] ?? 0) & 0x3f) | 0x40;
  const scalar = expanded.subarray(0, 32);
  const prfHalf = expanded.subarray(32);
  const kpHsId = parseKpHsId(ed25519.getPublicKey(seed));
  const blindedPrf = createHash('sha512')
    .update('Derive temporary signing key hash input')
    .update(prfHalf)
    .digest()
    .subarray(0, 32);
  return {
    file: Buffer.concat([HEADER, expanded]),
    needles: periods => [
      { name: 'seed', bytes: seed },
      { name: 'scalar', bytes: scalar },
      { name: 'reduced scalar', bytes: toLittleEndian(fromLittleEndian(scalar) % ORDER) },
      { name: 'PRF half', bytes: prfHalf },
      { name: 'blinded PRF half', bytes: blindedPrf },
      ...periods.map(period => ({
        name: `blinded scalar of period ${period.periodNum}`,
        bytes: toLittleEndian(
          (fromLittleEndian(scalar) * fromLittleEndian(clampTweak(blindingParam(kpHsId, period)))) % ORDER,
        ),
      })),
    ],
  };
}

const fromLittleEndian = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);

const toLittleEndian = (value: bigint): Buffer =>
  Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
