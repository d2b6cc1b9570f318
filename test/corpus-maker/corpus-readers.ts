import { decodeBase32, decodeBase64, fromHex } from '../../src/descriptor/bytes.ts';
import { parseCert, verifyCert } from '../../src/descriptor/ed25519-cert.ts';
import {
  parseClientAuthFile,
  parseClientAuthPrivate,
  parseObConfig,
} from '../../src/descriptor/client-files.ts';
import { parseConsensus } from '../../src/descriptor/consensus.ts';
import { DescriptorError } from '../../src/descriptor/error.ts';
import { checkEvidenceAge, proveEvidence } from '../../src/descriptor/evidence.ts';
import type { Bytes, KpHsBlindId, KpHsId, TimePeriod } from '../../src/descriptor/index.ts';
import { parseLinkSpecifiers } from '../../src/descriptor/introduction-point.ts';
import { parseHostnameFile, parsePublicKeyFile, parseSecretKeyFile } from '../../src/descriptor/key-files.ts';
import { parseEd25519Public, parseKpHsId, parseX25519Public } from '../../src/descriptor/keys.ts';
import { nobleVerify } from '../../src/descriptor/noble-verify.ts';
import { parseOnionAddress } from '../../src/descriptor/onion-address.ts';
import { openDescriptor, openWithBlindedKey } from '../../src/descriptor/open.ts';
import { PKCS8_KEY_LENGTH, parsePemKey } from '../../src/descriptor/pem-key.ts';
import { type Ed25519Verify, ed25519Verify } from '../../src/descriptor/primitives.ts';
import { openDescriptorWithNoble } from '../../src/descriptor/second-opinion.ts';
import { TOR_NETWORK } from '../../src/descriptor/time.ts';
import type { CorpusFormat } from './corpus-file.ts';

/** What the files are read with: all of it stands in the index. */
export interface CorpusKeys {
  /** Whose descriptors they are. */
  readonly kpHsId: KpHsId;
  readonly kpHsBlindId: KpHsBlindId;
  readonly kpHsDescSign: Bytes;
  readonly periods: readonly TimePeriod[];
  /** Unix seconds. */
  readonly now: number;
  /** The descriptor cookie of restricted ones. */
  readonly cookie: Bytes;
}

/** The verdict of one reader: taken, or how refused. */
export interface CorpusVerdict {
  readonly verdict: 'taken' | 'refused';
  readonly code?: string;
  readonly layer?: string;
  readonly line?: number;
  readonly offset?: number;
}

/** What reads a file, and throws a DescriptorError when it refuses it. */
type Reader = (bytes: Bytes, keys: CorpusKeys) => unknown;

const text = (bytes: Bytes): string => Buffer.from(bytes).toString('latin1');

/** The readers whose verdict needs no hash, cipher or signature, or only the one given. */
function readersWith(verify: Ed25519Verify) {
  const certificate =
    (certType: 8 | 9 | 11): Reader =>
    (bytes, { kpHsBlindId, kpHsDescSign, now }) => {
      const signingKey = certType === 8 ? kpHsBlindId : kpHsDescSign;
      verifyCert(parseCert(bytes), { certType, signingKey, nowSeconds: now, verify });
    };
  return {
    base32: bytes => decodeBase32(text(bytes)),
    'base64-either': bytes => decodeBase64(text(bytes), 'either'),
    'base64-padded': bytes => decodeBase64(text(bytes), 'padded'),
    'base64-unpadded': bytes => decodeBase64(text(bytes), 'unpadded'),
    'certificate-08': certificate(8),
    'certificate-09': certificate(9),
    'certificate-0b': certificate(11),
    'client-file': bytes => parseClientAuthFile(text(bytes)),
    consensus: bytes => parseConsensus(text(bytes)),
    'ed25519-key': bytes => parseEd25519Public(bytes),
    hex: bytes => fromHex(text(bytes)),
    hsdir: (bytes, { now }) => openWithBlindedKey(bytes, { nowSeconds: now, verify }),
    'identity-key': bytes => parseKpHsId(bytes),
    'link-specifiers': parseLinkSpecifiers,
    'pem-key': bytes => parsePemKey(bytes, new Uint8Array(PKCS8_KEY_LENGTH)),
    'public-key-file': parsePublicKeyFile,
    'secret-key-file': parseSecretKeyFile,
    // Public key, signature, message.
    signature: bytes => {
      const [key, signature, message] = [bytes.subarray(0, 32), bytes.subarray(32, 96), bytes.subarray(96)];
      if (!verify(message, signature, key)) throw new DescriptorError('BAD_SIGNATURE', 'does not verify');
    },
    'x25519-key': bytes => parseX25519Public(bytes),
  } satisfies Partial<Record<CorpusFormat, Reader>>;
}

/** OpenSSL's reading of every format. */
export const FIRST: Record<CorpusFormat, Reader> = {
  ...readersWith(ed25519Verify),
  address: bytes => parseOnionAddress(text(bytes)),
  'client-private-file': bytes => parseClientAuthPrivate(bytes, new Uint8Array(32)),
  descriptor: (bytes, { kpHsId, periods, now }) =>
    openDescriptor(bytes, { kpHsId, periods, nowSeconds: now }),
  evidence: (bytes, { kpHsId, periods, now }) => {
    const evidence = proveEvidence(bytes, { backend: kpHsId, profile: TOR_NETWORK, periods });
    checkEvidenceAge(evidence, TOR_NETWORK, now);
  },
  hostname: bytes => parseHostnameFile(text(bytes)),
  'ob-config': bytes => parseObConfig(text(bytes)),
  restricted: (bytes, { kpHsId, periods, now, cookie }) =>
    openDescriptor(bytes, { kpHsId, periods, nowSeconds: now, descriptorCookie: cookie }),
};

/**
 * The reading with @noble alone. Missing are the formats with an address, whose checksum one implementation reads only,
 * and evidence, which is dated, not deciphered, beyond what `descriptor` has.
 */
export const SECOND: Partial<Record<CorpusFormat, Reader>> = {
  ...readersWith(nobleVerify),
  descriptor: (bytes, { kpHsId, periods, now }) =>
    openDescriptorWithNoble(bytes, { kpHsId, periods, nowSeconds: now }),
  restricted: (bytes, { kpHsId, periods, now, cookie }) =>
    openDescriptorWithNoble(bytes, { kpHsId, periods, nowSeconds: now, descriptorCookie: cookie }),
};

/** What a reader says. Anything but a DescriptorError is a fault of the reader and thrown on. */
export function verdictOf(reader: Reader, bytes: Bytes, keys: CorpusKeys): CorpusVerdict {
  try {
    reader(bytes, keys);
    return { verdict: 'taken' };
  } catch (error) {
    if (!(error instanceof DescriptorError)) throw error;
    const { code, layer, line, offset } = error;
    return {
      verdict: 'refused',
      code,
      ...(layer === undefined ? {} : { layer }),
      ...(line === undefined ? {} : { line }),
      ...(offset === undefined ? {} : { offset }),
    };
  }
}
