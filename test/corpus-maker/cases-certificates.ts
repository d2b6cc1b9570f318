import { concat, u16be, u32be } from '../../src/descriptor/bytes.ts';
import type { Bytes, DescriptorErrorCode } from '../../src/descriptor/index.ts';
import { PERIOD, identity, noise } from '../descriptor/forge.ts';
import {
  DESC_SIGN,
  EXPIRY_HOURS,
  INNER_EXPIRY_HOURS,
  KP_HS_BLIND_ID,
  NOW,
  OWN_POINT,
  SERVICE,
  STRANGER,
  flipped,
} from './compact.ts';
import { type CorpusFile, type Group, type Variation, fileOf } from './corpus-file.ts';
import { ORDER, littleEndian, littleEndianBytes, SMALL_ORDER } from './curve.ts';

/** An extension of a certificate: length, type, flags, data. */
interface Extension {
  readonly type: number;
  readonly flags: number;
  readonly data: Bytes;
  /** When it is not to be that of the data. */
  readonly length?: number;
}

/** The fields of a certificate, each of which may be wrong. */
export interface RawCert {
  readonly version?: number;
  readonly certType: number;
  readonly expiryHours: number;
  readonly keyType?: number;
  readonly certifiedKey: Bytes;
  readonly extensions: readonly Extension[];
  /** When it is not to be the number of the extensions. */
  readonly count?: number;
  /** Bytes between the extensions and the signature. */
  readonly rest?: Bytes;
}

export const signedWith = (key: Bytes): Extension => ({ type: 4, flags: 0, data: key });

/** Body and signature. */
export function rawCert(cert: RawCert, sign: (body: Bytes) => Bytes): Bytes {
  const { version = 1, certType, expiryHours, keyType = 1, certifiedKey, extensions } = cert;
  const body = concat(
    Uint8Array.of(version, certType),
    u32be(expiryHours),
    Uint8Array.of(keyType),
    certifiedKey,
    Uint8Array.of(cert.count ?? extensions.length),
    ...extensions.map(({ type, flags, data, length = data.length }) =>
      concat(u16be(length), Uint8Array.of(type, flags), data),
    ),
    cert.rest ?? new Uint8Array(),
  );
  return concat(body, sign(body));
}

interface Place {
  readonly name: '08' | '09' | '0b';
  readonly certType: number;
  readonly certifiedKey: Bytes;
  readonly signingKey: Bytes;
  readonly expiryHours: number;
  readonly sign: (body: Bytes) => Bytes;
}

const signBlinded = (body: Bytes): Bytes => SERVICE.signBlinded(PERIOD, body);

/** The three places of certificates in a descriptor. */
const PLACES: readonly Place[] = [
  {
    name: '08',
    certType: 8,
    certifiedKey: DESC_SIGN.publicKey,
    signingKey: KP_HS_BLIND_ID,
    expiryHours: EXPIRY_HOURS,
    sign: signBlinded,
  },
  {
    name: '09',
    certType: 9,
    certifiedKey: OWN_POINT.authKey,
    signingKey: DESC_SIGN.publicKey,
    expiryHours: INNER_EXPIRY_HOURS,
    sign: DESC_SIGN.sign,
  },
  {
    name: '0b',
    certType: 11,
    certifiedKey: OWN_POINT.encKeyCert.subarray(7, 39),
    signingKey: DESC_SIGN.publicKey,
    expiryHours: INNER_EXPIRY_HOURS,
    sign: DESC_SIGN.sign,
  },
];

function filesOf(place: Place): CorpusFile[] {
  const group: Group = {
    format: `certificate-${place.name}`,
    section: 'cert-spec 2.1',
    control: `cert-${place.name}-plain`,
    ending: '.bin',
  };
  const base: RawCert = { ...place, extensions: [signedWith(place.signingKey)] };
  const good = rawCert(base, place.sign);
  const named = (control: string | undefined): Variation =>
    control === undefined ? {} : { control: `cert-${place.name}-${control}` };
  const file = (name: string, shows: string, bytes: Bytes, code?: DescriptorErrorCode, control?: string) =>
    fileOf(group, `cert-${place.name}-${name}`, shows, bytes, { ...(code && { code }), ...named(control) });
  const made = (
    name: string,
    shows: string,
    cert: Partial<RawCert>,
    code?: DescriptorErrorCode,
    control?: string,
  ) => file(name, shows, rawCert({ ...base, ...cert }, place.sign), code, control);
  const unknown = { type: 9, flags: 0, data: noise('an extension', 5) };
  const critical = { ...unknown, flags: 1 };
  const own = signedWith(place.signingKey);
  const hourNow = Math.floor(NOW / 3600);
  return [
    file('plain', 'as it stands in a descriptor', good),
    made(
      'type-other-place',
      'the type of another place',
      { certType: place.certType === 9 ? 11 : 9 },
      'BAD_CERT',
    ),
    made('type-04', 'a relay’s signing key certificate', { certType: 4 }, 'BAD_CERT'),
    made('type-00', 'type 0', { certType: 0 }, 'BAD_CERT'),
    made('type-ff', 'type 255', { certType: 255 }, 'BAD_CERT'),
    made('version-0', 'version 0', { version: 0 }, 'UNKNOWN_VERSION'),
    made('version-2', 'version 2', { version: 2 }, 'UNKNOWN_VERSION'),
    made('key-type-0', 'a certified key of type 0', { keyType: 0 }, 'BAD_CERT'),
    made('key-type-2', 'a certified key of type 2', { keyType: 2 }, 'BAD_CERT'),
    ...[0, 1, 39, 40, 75, 103].map(length =>
      file(`cut-${length}`, `cut off after ${length} bytes`, good.subarray(0, length), 'BAD_CERT'),
    ),
    file('cut-104', 'cut off: a header and 64 bytes', good.subarray(0, 104), 'BAD_CERT'),
    file('cut-139', 'the last byte missing', good.subarray(0, 139), 'BAD_CERT'),
    file('trailing-byte', 'a byte after the signature', concat(good, Uint8Array.of(0)), 'TRAILING_DATA'),
    made('rest', 'a signed byte behind the extensions', { rest: Uint8Array.of(0) }, 'TRAILING_DATA'),
    made('ext-unknown-flag-0', 'an unknown extension that does not affect validation', {
      extensions: [own, unknown],
    }),
    made(
      'ext-unknown-flag-1',
      'an unknown extension that affects validation',
      { extensions: [own, critical] },
      'BAD_CERT',
      'ext-unknown-flag-0',
    ),
    made('ext-unknown-flag-2', 'an unknown flag that is not the one that affects validation', {
      extensions: [own, { ...unknown, flags: 2 }],
    }),
    made(
      'ext-unknown-flag-3',
      'that flag beside another',
      { extensions: [own, { ...unknown, flags: 3 }] },
      'BAD_CERT',
      'ext-unknown-flag-2',
    ),
    made('ext-unknown-first', 'an unknown extension before the signing key', { extensions: [unknown, own] }),
    made('ext-unknown-empty', 'an unknown extension without data', {
      extensions: [own, { ...unknown, data: new Uint8Array() }],
    }),
    made('ext-unknown-twice', 'the same unknown extension twice', { extensions: [own, unknown, unknown] }),
    made('ext-none', 'no extension', { extensions: [] }, 'BAD_CERT'),
    made(
      'ext-unknown-alone',
      'no signing key among the extensions',
      { extensions: [unknown] },
      'BAD_CERT',
      'ext-unknown-flag-0',
    ),
    made(
      'ext-two-signing-keys',
      'the signing key twice',
      { extensions: [own, own] },
      'BAD_CERT',
      'ext-unknown-twice',
    ),
    made(
      'ext-second-signing-key',
      'another signing key after the right one',
      { extensions: [own, signedWith(STRANGER.publicKey)] },
      'BAD_CERT',
      'ext-unknown-flag-0',
    ),
    made(
      'ext-signing-key-31',
      'a signing key of 31 bytes',
      { extensions: [{ ...own, data: own.data.subarray(1) }] },
      'BAD_CERT',
    ),
    made(
      'ext-signing-key-33',
      'a signing key of 33 bytes',
      { extensions: [{ ...own, data: concat(own.data, Uint8Array.of(0)) }] },
      'BAD_CERT',
    ),
    made(
      'ext-signing-key-flag',
      'the signing key with a flag',
      { extensions: [{ ...own, flags: 1 }] },
      'BAD_CERT',
    ),
    made(
      'ext-length-beyond',
      'an extension longer than the certificate',
      { extensions: [{ ...own, length: 0xffff }] },
      'BAD_CERT',
    ),
    made(
      'ext-length-short',
      'an extension that says 31 and has 32',
      { extensions: [{ ...own, length: 31 }] },
      'BAD_CERT',
    ),
    made('ext-count-0', 'an extension that is not counted', { count: 0 }, 'TRAILING_DATA'),
    made('ext-count-2', 'one extension counted as two', { count: 2 }, 'BAD_CERT', 'ext-unknown-flag-0'),
    made('ext-count-255', 'one extension counted as 255', { count: 255 }, 'BAD_CERT', 'ext-unknown-flag-0'),
    made(
      'signing-key-other',
      'another signing key, which has signed',
      { extensions: [signedWith(STRANGER.publicKey)] },
      'WRONG_KEY',
    ),
    ...signatures(place, base, file),
    made('expiry-now', 'good until this very second', { expiryHours: hourNow }),
    made('expiry-hour-ago', 'expired by an hour', { expiryHours: hourNow - 1 }, 'CERT_EXPIRED', 'expiry-now'),
    made('expiry-0', 'expired in 1970', { expiryHours: 0 }, 'CERT_EXPIRED', 'expiry-now'),
    made('expiry-max', 'good for ever: 2^32-1 hours', { expiryHours: 0xffff_ffff }),
  ];
}

type Make = (
  name: string,
  shows: string,
  bytes: Bytes,
  code?: DescriptorErrorCode,
  control?: string,
) => CorpusFile;

function signatures(place: Place, base: RawCert, file: Make): CorpusFile[] {
  const bad = (name: string, shows: string, sign: (body: Bytes) => Bytes): CorpusFile =>
    file(name, shows, rawCert(base, sign), 'BAD_SIGNATURE');
  const change = (name: string, shows: string, edit: (signature: Bytes) => Bytes): CorpusFile =>
    bad(name, shows, body => edit(place.sign(body)));
  return [
    bad('signature-stranger', 'signed by another key than it names', STRANGER.sign),
    bad('signature-zeros', 'a signature of zeros', () => new Uint8Array(64)),
    bad('signature-other-body', 'the signature of another certificate', body => place.sign(flipped(body, 5))),
    bad('signature-prefix', 'signed with the prefix of descriptors', body =>
      place.sign(concat(new TextEncoder().encode('Tor onion service descriptor sig v3'), body)),
    ),
    change('signature-r-changed', 'one bit of R', signature => flipped(signature, 3)),
    change('signature-s-changed', 'one bit of S', signature => flipped(signature, 35)),
    change('signature-s-plus-order', 'S + l', signature =>
      concat(signature.subarray(0, 32), littleEndianBytes(littleEndian(signature.subarray(32)) + ORDER)),
    ),
    change('signature-r-small-order', 'R of small order', signature =>
      concat(SMALL_ORDER[1] ?? new Uint8Array(32), signature.subarray(32)),
    ),
    ...(place.name === '08'
      ? [
          bad('signature-other-identity', 'signed by the blinded key of another service', body =>
            identity('other').signBlinded(PERIOD, body),
          ),
        ]
      : []),
  ];
}

/** Certificates by themselves, at each of their three places. */
export function certificateFiles(): CorpusFile[] {
  return PLACES.flatMap(filesOf);
}
