import { type Bytes, concat, decodeBase64, encodeBase64, equalBytes, readU8, u16be } from './bytes.ts';
import { type Ed25519Cert, parseCert } from './ed25519-cert.ts';
import { DescriptorError } from './error.ts';
import {
  type KpHsIptSid,
  type KpHssNtor,
  type KpNtor,
  parseKpHsIptSid,
  parseKpHssNtor,
  parseKpNtor,
} from './keys.ts';
import {
  type KeywordRules,
  type NetdocItem,
  argOf,
  atItem,
  checkItems,
  encodeObject,
  objectOf,
  where,
} from './netdoc.ts';
import { sha256Hex } from './primitives.ts';

/** What makes an introduction point: compared as a whole, never field by field. */
export interface IntroductionPoint {
  /** The block of link specifiers as it stands on the wire: count, then type, length, data of each. */
  readonly linkSpecifiers: Bytes;
  /** KP_ntor of the relay. */
  readonly onionKey: KpNtor;
  /** KP_hs_ipt_sid. */
  readonly authKey: KpHsIptSid;
  /** KP_hss_ntor. */
  readonly encKey: KpHssNtor;
}

/** An introduction point with the two certificates (140 bytes) that one descriptor signing key made over it. */
export interface CertifiedIntroductionPoint extends IntroductionPoint {
  /** Type 09. */
  readonly authKeyCert: Bytes;
  /** Type 0B. */
  readonly encKeyCert: Bytes;
}

/** An introduction point as read: well-formed, its certificates not yet verified. */
export interface ParsedIntroductionPoint extends CertifiedIntroductionPoint {
  readonly authCert: Ed25519Cert;
  readonly encCert: Ed25519Cert;
  /** Key and cross-certificate for relays of tor before 0.3; read, never written. */
  readonly legacy?: { readonly key: Bytes; readonly crossCert: Bytes };
  readonly unknown: readonly NetdocItem[];
}

/** One address or identity of the relay at an introduction point (tor-spec §5.1.2). */
export interface LinkSpecifier {
  /** 0 IPv4 and port, 1 IPv6 and port, 2 RSA identity, 3 Ed25519 identity; others are kept. */
  readonly type: number;
  readonly data: Bytes;
}

/** Types of link specifiers that this library knows (tor-spec §5.1.2). */
export const LINK_SPECIFIER = Object.freeze({ ipv4: 0, ipv6: 1, rsaId: 2, ed25519Id: 3 } as const);

const LENGTH_OF_TYPE = [6, 18, 20, 32];

type Keyword =
  | 'introduction-point'
  | 'onion-key'
  | 'auth-key'
  | 'enc-key'
  | 'enc-key-cert'
  | 'legacy-key'
  | 'legacy-key-cert'
  | HeaderKeyword;

/** Keywords of the inner layer's head: tor would still take them there, Arti not, so they are refused in a section. */
type HeaderKeyword =
  | 'create2-formats'
  | 'intro-auth-required'
  | 'single-onion-service'
  | 'flow-control'
  | 'pow-params'
  | 'caa';

const RULES: KeywordRules<Keyword> = {
  'introduction-point': { count: 'one', place: 'first', args: { min: 1, max: 1 } },
  'onion-key': { count: 'some', args: { min: 2 } },
  'auth-key': { count: 'one', object: 'ED25519 CERT' },
  'enc-key': { count: 'one', args: { min: 2 } },
  'enc-key-cert': { count: 'one', object: 'ED25519 CERT' },
  'legacy-key': { count: 'optional', object: 'RSA PUBLIC KEY' },
  'legacy-key-cert': { count: 'optional', object: 'CROSSCERT' },
  'create2-formats': { count: 'elsewhere' },
  'intro-auth-required': { count: 'elsewhere' },
  'single-onion-service': { count: 'elsewhere' },
  'flow-control': { count: 'elsewhere' },
  'pow-params': { count: 'elsewhere' },
  caa: { count: 'elsewhere' },
};

/**
 * Reads one section `introduction-point …` (rend-spec-v3 §2.5.2.2). The auth key is the one that the certificate of
 * type 09 certifies. Of several `onion-key` lines exactly one is of type ntor; the one `enc-key` is.
 * Throws the codes of the reader, BAD_POINT, BAD_LINK_SPECIFIER, BAD_KEY, BAD_CERT.
 */
export function parseIntroductionPoint(items: readonly NetdocItem[]): ParsedIntroductionPoint {
  const section = checkItems(items, RULES);
  const head = section.one('introduction-point');
  const linkSpecifiers = atItem(head, () => {
    const block = decodeBase64(argOf(head, 0), 'either');
    parseLinkSpecifiers(block);
    return block;
  });
  const [authItem, encItem] = [section.one('auth-key'), section.one('enc-key-cert')];
  const authCert = atItem(authItem, () => parseCert(objectOf(authItem)));
  const encCert = atItem(encItem, () => parseCert(objectOf(encItem)));
  const legacyKey = section.optional('legacy-key');
  const legacyCert = section.optional('legacy-key-cert');
  if ((legacyKey === undefined) !== (legacyCert === undefined)) {
    throw new DescriptorError('BAD_POINT', 'legacy-key and legacy-key-cert must stand together', where(head));
  }
  return {
    linkSpecifiers,
    onionKey: parseNtorKey(section.all('onion-key'), head, parseKpNtor),
    authKey: atItem(authItem, () => parseKpHsIptSid(authCert.certifiedKey)),
    encKey: parseNtorKey(section.all('enc-key'), head, parseKpHssNtor),
    authKeyCert: authCert.bytes,
    encKeyCert: encCert.bytes,
    authCert,
    encCert,
    ...(legacyKey !== undefined && legacyCert !== undefined
      ? { legacy: { key: objectOf(legacyKey), crossCert: objectOf(legacyCert) } }
      : {}),
    unknown: section.unknown,
  };
}

/** One section as tor writes it, ended by LF. */
export function encodeIntroductionPoint(point: CertifiedIntroductionPoint): string {
  return (
    `introduction-point ${encodeBase64(point.linkSpecifiers)}\n` +
    `onion-key ntor ${encodeBase64(point.onionKey)}\n` +
    `auth-key\n${encodeObject('ED25519 CERT', point.authKeyCert)}` +
    `enc-key ntor ${encodeBase64(point.encKey)}\n` +
    `enc-key-cert\n${encodeObject('ED25519 CERT', point.encKeyCert)}`
  );
}

/**
 * Reads a block of link specifiers: at least one, each of its type's length, at most one identity of each kind,
 * nothing after the last (tor-spec §5.1.2, rend-spec-v3 §2.5.2.2). Data are views into `block`. Throws
 * BAD_LINK_SPECIFIER.
 */
export function parseLinkSpecifiers(block: Bytes): LinkSpecifier[] {
  const specifiers: LinkSpecifier[] = [];
  let at = 1;
  for (let left = block[0] ?? 0; left > 0; left--) {
    if (at + 2 > block.length) throw badSpecifier('is cut off', at);
    const type = readU8(block, at);
    const end = at + 2 + readU8(block, at + 1);
    if (end > block.length || (LENGTH_OF_TYPE[type] ?? end - at - 2) !== end - at - 2) {
      throw badSpecifier('has the wrong length', at);
    }
    specifiers.push({ type, data: block.subarray(at + 2, end) });
    at = end;
  }
  if (at !== block.length || specifiers.length === 0)
    throw badSpecifier('block must have as many as it says', at);
  for (const identity of [LINK_SPECIFIER.rsaId, LINK_SPECIFIER.ed25519Id]) {
    if (specifiers.filter(({ type }) => type === identity).length > 1) {
      throw badSpecifier('must not name a second identity', 0);
    }
  }
  return specifiers;
}

/**
 * A block of link specifiers (tor-spec §5.1.2), 1…255 of them with at most 255 bytes each. Throws
 * BAD_LINK_SPECIFIER.
 */
export function encodeLinkSpecifiers(specifiers: readonly LinkSpecifier[]): Bytes {
  const block = concat(
    Uint8Array.of(specifiers.length),
    ...specifiers.flatMap(({ type, data }) => [Uint8Array.of(type, data.length), data]),
  );
  parseLinkSpecifiers(block);
  return block;
}

/**
 * Whether two introduction points are the same: every field equal. Ours. Does not throw for points that were parsed.
 */
export function samePoint(a: IntroductionPoint, b: IntroductionPoint): boolean {
  return equalBytes(canonicalPoint(a), canonicalPoint(b));
}

/**
 * A name for an introduction point: SHA-256 over all of its fields, 64 hexadecimal digits. Ours. Does not throw for
 * points that were parsed.
 */
export function pointKey(point: IntroductionPoint): string {
  return sha256Hex(canonicalPoint(point));
}

function canonicalPoint({ linkSpecifiers, onionKey, authKey, encKey }: IntroductionPoint): Bytes {
  return concat(u16be(linkSpecifiers.length), linkSpecifiers, onionKey, authKey, encKey);
}

function parseNtorKey<K>(lines: readonly NetdocItem[], head: NetdocItem, parse: (bytes: Bytes) => K): K {
  const ntor = lines.filter(line => line.args[0] === 'ntor');
  const [line] = ntor;
  if (line === undefined || ntor.length !== 1) {
    throw new DescriptorError(
      'BAD_POINT',
      'an introduction point must have one ntor key of each kind',
      where(head),
    );
  }
  return atItem(line, () => parse(decodeBase64(argOf(line, 1), 'either')));
}

function badSpecifier(rule: string, offset: number): DescriptorError {
  return new DescriptorError('BAD_LINK_SPECIFIER', `a link specifier ${rule}`, { offset });
}
