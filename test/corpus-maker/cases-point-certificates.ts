import { type Bytes, CERT_TYPE, type DescriptorErrorCode } from '../../src/descriptor/index.ts';
import { concat } from '../../src/descriptor/bytes.ts';
import { noise } from '../descriptor/forge.ts';
import { rawCert, signedWith } from './cases-certificates.ts';
import {
  DESC_SIGN,
  INNER_EXPIRY_HOURS,
  NOW,
  OWN_POINT,
  STRANGER,
  certBy,
  flipped,
  pointWith,
} from './compact.ts';
import type { CorpusFile } from './corpus-file.ts';
import { SMALL_ORDER, littleEndianBytes, withOrderAdded, withTorsion } from './curve.ts';
import { POINT, filer } from './places.ts';

const file = filer(POINT, 'point');

/** Certificates 09 and 0B at their places, signed by the right key unless it says otherwise. */
export function pointCertificateFiles(): CorpusFile[] {
  const auth = (name: string, shows: string, cert: Bytes, code?: DescriptorErrorCode): CorpusFile =>
    file(
      `auth-cert-${name}`,
      shows,
      pointWith(() => ({ authKeyCert: cert })),
      code,
    );
  const enc = (name: string, shows: string, cert: Bytes, code?: DescriptorErrorCode): CorpusFile =>
    file(
      `enc-cert-${name}`,
      shows,
      pointWith(() => ({ encKeyCert: cert })),
      code,
    );
  const encForm = OWN_POINT.encKeyCert.subarray(7, 39);
  const body = (cert: Bytes): Bytes => cert.subarray(0, 76);
  const hourAgo = Math.floor(NOW / 3600) - 1;
  const extended = (certType: number, certifiedKey: Bytes, flags: number): Bytes =>
    rawCert(
      {
        certType,
        certifiedKey,
        expiryHours: INNER_EXPIRY_HOURS,
        extensions: [signedWith(DESC_SIGN.publicKey), { type: 7, flags, data: noise('x', 3) }],
      },
      DESC_SIGN.sign,
    );
  return [
    auth(
      'type-0b',
      'the type of the other place',
      certBy(DESC_SIGN, CERT_TYPE.encKey, OWN_POINT.authKey),
      'BAD_CERT',
    ),
    auth(
      'type-08',
      'the type of the outer document',
      certBy(DESC_SIGN, CERT_TYPE.descSigning, OWN_POINT.authKey),
      'BAD_CERT',
    ),
    auth(
      'stranger',
      'made by another key',
      certBy(STRANGER, CERT_TYPE.authKey, OWN_POINT.authKey),
      'WRONG_KEY',
    ),
    auth(
      'stranger-signed',
      'signed by another key than it names',
      concat(body(OWN_POINT.authKeyCert), STRANGER.sign(body(OWN_POINT.authKeyCert))),
      'BAD_SIGNATURE',
    ),
    auth('signature', 'one bit of the signature', flipped(OWN_POINT.authKeyCert, 100), 'BAD_SIGNATURE'),
    auth('s-plus-order', 'S + l', withOrderAdded(OWN_POINT.authKeyCert), 'BAD_SIGNATURE'),
    auth(
      'expired',
      'expired by an hour',
      certBy(DESC_SIGN, CERT_TYPE.authKey, OWN_POINT.authKey, hourAgo),
      'CERT_EXPIRED',
    ),
    auth(
      'expires-now',
      'good until this very second',
      certBy(DESC_SIGN, CERT_TYPE.authKey, OWN_POINT.authKey, hourAgo + 1),
    ),
    auth('cut', 'cut off', OWN_POINT.authKeyCert.subarray(0, 139), 'BAD_CERT'),
    auth('trailing', 'a byte behind', concat(OWN_POINT.authKeyCert, Uint8Array.of(0)), 'TRAILING_DATA'),
    auth('version-2', 'version 2', OWN_POINT.authKeyCert.with(0, 2), 'UNKNOWN_VERSION'),
    auth(
      'ext-flag-0',
      'an unknown extension that does not affect validation',
      extended(9, OWN_POINT.authKey, 0),
    ),
    auth(
      'ext-flag-1',
      'an unknown extension that affects validation',
      extended(9, OWN_POINT.authKey, 1),
      'BAD_CERT',
    ),
    auth(
      'small-order',
      'over a key of small order',
      certBy(DESC_SIGN, CERT_TYPE.authKey, SMALL_ORDER[1] ?? encForm),
      'BAD_KEY',
    ),
    auth(
      'not-a-point',
      'over what is no point',
      certBy(DESC_SIGN, CERT_TYPE.authKey, littleEndianBytes(2n)),
      'BAD_KEY',
    ),
    auth(
      'torsion',
      'over a key with a torsion part, which is not judged',
      certBy(DESC_SIGN, CERT_TYPE.authKey, withTorsion(OWN_POINT.authKey)),
    ),
    enc('type-09', 'the type of the other place', certBy(DESC_SIGN, CERT_TYPE.authKey, encForm), 'BAD_CERT'),
    enc('stranger', 'made by another key', certBy(STRANGER, CERT_TYPE.encKey, encForm), 'WRONG_KEY'),
    enc(
      'stranger-signed',
      'signed by another key than it names',
      concat(body(OWN_POINT.encKeyCert), STRANGER.sign(body(OWN_POINT.encKeyCert))),
      'BAD_SIGNATURE',
    ),
    enc('signature', 'one bit of the signature', flipped(OWN_POINT.encKeyCert, 100), 'BAD_SIGNATURE'),
    enc('s-plus-order', 'S + l', withOrderAdded(OWN_POINT.encKeyCert), 'BAD_SIGNATURE'),
    enc(
      'expired',
      'expired by an hour',
      certBy(DESC_SIGN, CERT_TYPE.encKey, encForm, hourAgo),
      'CERT_EXPIRED',
    ),
    enc(
      'expires-now',
      'good until this very second',
      certBy(DESC_SIGN, CERT_TYPE.encKey, encForm, hourAgo + 1),
    ),
    enc(
      'over-auth-key',
      'over the auth key, as stem makes them',
      certBy(DESC_SIGN, CERT_TYPE.encKey, OWN_POINT.authKey),
      'WRONG_KEY',
    ),
    enc(
      'sign-bit',
      'over the other point of the enc-key',
      certBy(DESC_SIGN, CERT_TYPE.encKey, encForm.with(31, (encForm[31] ?? 0) | 0x80)),
      'WRONG_KEY',
    ),
    enc('cut', 'cut off', OWN_POINT.encKeyCert.subarray(0, 76), 'BAD_CERT'),
    enc('trailing', 'a byte behind', concat(OWN_POINT.encKeyCert, Uint8Array.of(0)), 'TRAILING_DATA'),
    enc('ext-flag-0', 'an unknown extension that does not affect validation', extended(11, encForm, 0)),
    enc('ext-flag-1', 'an unknown extension that affects validation', extended(11, encForm, 1), 'BAD_CERT'),
    file(
      'certs-swapped',
      'the two certificates at each other’s place',
      pointWith(p => ({ authKeyCert: p.encKeyCert, encKeyCert: p.authKeyCert })),
      'WRONG_KEY',
    ),
    file(
      'second-of-three',
      'the second of three points is bad',
      {
        points: 3,
        editPoint: (point, i) =>
          i === 1 ? { ...point, authKeyCert: flipped(point.authKeyCert, 90) } : point,
      },
      'BAD_SIGNATURE',
    ),
  ];
}
