import { type Bytes, asciiBytes, concat, decodeBase64, encodeBase64Unpadded, fixedBytes } from './bytes.ts';
import { type Ed25519Cert, parseCert } from './ed25519-cert.ts';
import { DescriptorError } from './error.ts';
import {
  type KeywordRules,
  type NetdocItem,
  argOf,
  atItem,
  checkItems,
  encodeObject,
  objectOf,
  parseDecimal,
  parseNetdoc,
  where,
} from './netdoc.ts';

/** The outer document (rend-spec-v3 §2.4). */
export interface OuterLayer {
  /** 30…720; tor writes 180. */
  readonly lifetimeMinutes: number;
  /** Type 08. */
  readonly cert: Ed25519Cert;
  /** 0…2^64−1. */
  readonly revisionCounter: bigint;
  /** The encrypted middle layer. */
  readonly superencrypted: Bytes;
  /** 64 bytes. */
  readonly signature: Bytes;
  /** The text up to and including the LF before `signature`. */
  readonly signedPart: Bytes;
  /** Lines that nobody here knows. */
  readonly unknown: readonly NetdocItem[];
}

/** What goes into the text before the signature. */
export interface OuterFields {
  readonly lifetimeMinutes: number;
  /** Type 08, as bytes. */
  readonly cert: Bytes;
  readonly revisionCounter: bigint;
  readonly superencrypted: Bytes;
}

/** A descriptor must be shorter than this: HSV3MaxDescriptorSize of the consensus has this default. */
export const MAX_DESCRIPTOR_SIZE = 50_000;

const SIGNATURE_PREFIX = asciiBytes('Tor onion service descriptor sig v3');
const SIGNATURE_LINE = /^[A-Za-z0-9+/]{86}$/;
const MIN_LIFETIME_MINUTES = 30;
const MAX_LIFETIME_MINUTES = 720;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;

type Keyword =
  | 'hs-descriptor'
  | 'descriptor-lifetime'
  | 'descriptor-signing-key-cert'
  | 'revision-counter'
  | 'superencrypted'
  | 'signature';

const ONE_ARGUMENT = { min: 1, max: 1 };

const RULES: KeywordRules<Keyword> = {
  'hs-descriptor': { count: 'one', place: 'first', args: ONE_ARGUMENT },
  'descriptor-lifetime': { count: 'one', args: ONE_ARGUMENT },
  'descriptor-signing-key-cert': { count: 'one', object: 'ED25519 CERT' },
  'revision-counter': { count: 'one', args: ONE_ARGUMENT },
  superencrypted: { count: 'one', object: 'MESSAGE' },
  signature: { count: 'one', place: 'last', args: ONE_ARGUMENT },
};

/**
 * Reads the outer document, 1…49,999 bytes. Says nothing about certificate and signature: see `openDescriptor`.
 * Throws TOO_LARGE, UNKNOWN_VERSION, BAD_INTEGER (lifetime outside what both clients take included), BAD_SYNTAX for
 * a signature line that is not exactly one space and 86 characters, and the codes of the reader and of certificates.
 */
export function parseOuterLayer(text: Bytes): OuterLayer {
  checkDescriptorSize(text.length);
  const section = checkItems(parseNetdoc(text), RULES);
  const version = section.one('hs-descriptor');
  if (argOf(version, 0) !== '3') {
    throw new DescriptorError('UNKNOWN_VERSION', 'the descriptor must have version 3', where(version));
  }
  const signature = section.one('signature');
  if (!SIGNATURE_LINE.test(signature.rest)) {
    throw new DescriptorError(
      'BAD_SYNTAX',
      'the signature must be one space and 86 characters',
      where(signature),
    );
  }
  const counter = section.one('revision-counter');
  const cert = section.one('descriptor-signing-key-cert');
  return {
    lifetimeMinutes: parseLifetime(section.one('descriptor-lifetime')),
    cert: atItem(cert, () => parseCert(objectOf(cert))),
    revisionCounter: parseDecimal(argOf(counter, 0), MAX_U64, counter),
    superencrypted: objectOf(section.one('superencrypted')),
    signature: atItem(signature, () => decodeBase64(signature.rest, 'unpadded')),
    signedPart: text.subarray(0, signature.offset),
    unknown: section.unknown,
  };
}

/** The text before the signature, as tor writes it. Throws BAD_INTEGER for a lifetime or counter out of range. */
export function encodeUnsignedOuter(fields: OuterFields): Bytes {
  const { lifetimeMinutes, cert, revisionCounter, superencrypted } = fields;
  if (!isLifetime(lifetimeMinutes)) throw badLifetime();
  return asciiBytes(
    'hs-descriptor 3\n' +
      `descriptor-lifetime ${lifetimeMinutes}\n` +
      `descriptor-signing-key-cert\n${encodeObject('ED25519 CERT', cert)}` +
      `revision-counter ${parseDecimal(revisionCounter.toString(), MAX_U64)}\n` +
      `superencrypted\n${encodeObject('MESSAGE', superencrypted)}`,
  );
}

/** The last line, with LF, from 64 bytes. Throws BAD_LENGTH. */
export function encodeSignatureLine(signature: Bytes): Bytes {
  return asciiBytes(`signature ${encodeBase64Unpadded(fixedBytes(signature, 64, 'the signature'))}\n`);
}

/** What KS_hs_desc_sign signs: a fixed prefix of 35 bytes and the text before the signature (rend-spec-v3 §2.4). */
export function descriptorSignedMessage(signedPart: Bytes): Bytes {
  return concat(SIGNATURE_PREFIX, signedPart);
}

/** Throws TOO_LARGE unless a text of this many bytes is one that an HSDir takes. */
export function checkDescriptorSize(length: number): void {
  if (length >= MAX_DESCRIPTOR_SIZE) {
    throw new DescriptorError('TOO_LARGE', `a descriptor must be shorter than ${MAX_DESCRIPTOR_SIZE} bytes`);
  }
}

function parseLifetime(item: NetdocItem): number {
  const minutes = Number(parseDecimal(argOf(item, 0), 0xffff_ffffn, item));
  if (!isLifetime(minutes)) throw badLifetime(item);
  return minutes;
}

function isLifetime(minutes: number): boolean {
  return Number.isInteger(minutes) && minutes >= MIN_LIFETIME_MINUTES && minutes <= MAX_LIFETIME_MINUTES;
}

function badLifetime(item?: NetdocItem): DescriptorError {
  return new DescriptorError('BAD_INTEGER', 'descriptor-lifetime must be 30 to 720 minutes', where(item));
}
