// Messages of the token process about sealing and backups; see token-messages.ts.

import { type KpHsId, parseKpHsId } from '../descriptor/index.ts';
import type { BackupKey } from './backup.ts';
import type { Origin } from './envelope-header.ts';
import { MAX_ENVELOPE_BYTES, readAccess, times, type TokenAccess, writeAccess } from './token-messages.ts';
import { WireReader, WireWriter } from './wire.ts';

const MAX_RECIPIENTS = 16;

/** Where the identity to be sealed comes from. */
export type SealSource =
  | { readonly kind: 'new' }
  /** Path of hs_ed25519_secret_key or a PEM key; '' is standard input. */
  | { readonly kind: 'import'; readonly path: string }
  /** An envelope, a copy or another age file with a key in it, and what opens it. */
  | { readonly kind: 'backup'; readonly file: Uint8Array; readonly key: BackupKey };

export interface SealRequest {
  readonly tokens: readonly TokenAccess[];
  readonly ageRecipients: readonly string[];
  readonly source: SealSource;
}

export interface SealedIdentity {
  readonly envelope: Uint8Array;
  readonly kpHsId: KpHsId;
  readonly origin: Origin;
}

/** The envelope of a service, which must be the one that was asked for. */
export interface EnvelopeOf {
  readonly envelope: Uint8Array;
  readonly kpHsId: KpHsId;
}

/** An envelope to be sealed again to other recipients. */
export interface ResealRequest extends EnvelopeOf {
  /** Recipients that are here: the first opens the envelope. */
  readonly tokens: readonly TokenAccess[];
  /** New recipients. */
  readonly added: readonly TokenAccess[];
  readonly ageRecipients: readonly string[];
  /** Names of recipients: key tags and `age1…`. */
  readonly remove: readonly string[];
}

/** One way to open a backup: `envelope` is a copy when the key is a passphrase. */
export interface VerifyRequest extends EnvelopeOf {
  readonly by: { readonly kind: 'token'; readonly access: TokenAccess } | BackupKey;
}

export interface CopyRequest extends EnvelopeOf {
  readonly access: TokenAccess;
  /** `tty` or `file:/…` of the new passphrase. */
  readonly passphraseSource: string;
}

const SOURCE_KINDS = ['new', 'import', 'backup'] as const;
const KEY_KINDS = ['paper', 'passphrase'] as const;
const TOKEN_KIND = 2;

function writeKey(writer: WireWriter, key: BackupKey): void {
  writer.u8(KEY_KINDS.indexOf(key.kind)).str16(key.kind === 'paper' ? key.path : key.source);
}

function readKey(reader: WireReader, kind: BackupKey['kind'] | undefined): BackupKey {
  if (kind === undefined) throw reader.fault('an unknown key of a backup');
  const where = reader.str16();
  return kind === 'paper' ? { kind, path: where } : { kind, source: where };
}

const readEnvelope = (reader: WireReader): Uint8Array => reader.blob32(MAX_ENVELOPE_BYTES);

function writeRecipients(
  writer: WireWriter,
  { tokens, ageRecipients }: Pick<SealRequest, 'tokens' | 'ageRecipients'>,
): void {
  writeTokens(writer, tokens);
  writeNames(writer, ageRecipients);
}

function writeTokens(writer: WireWriter, tokens: readonly TokenAccess[]): void {
  writer.u8(tokens.length);
  for (const access of tokens) writeAccess(writer, access);
}

function readRecipients(reader: WireReader): Pick<SealRequest, 'tokens' | 'ageRecipients'> {
  const tokens = readTokens(reader);
  return { tokens, ageRecipients: readNames(reader) };
}

const readTokens = (reader: WireReader): TokenAccess[] =>
  times(upTo(reader, MAX_RECIPIENTS), () => readAccess(reader));

function writeNames(writer: WireWriter, names: readonly string[]): void {
  writer.u8(names.length);
  for (const name of names) writer.str8(name);
}

const readNames = (reader: WireReader): string[] => times(upTo(reader, MAX_RECIPIENTS), () => reader.str8());

function upTo(reader: WireReader, maximum: number): number {
  const count = reader.u8();
  if (count > maximum) throw reader.fault('too many recipients');
  return count;
}

export function encodeSealRequest(request: SealRequest): Uint8Array {
  const writer = new WireWriter();
  const { source } = request;
  writeRecipients(writer, request);
  writer.u8(SOURCE_KINDS.indexOf(source.kind));
  if (source.kind === 'import') writer.str16(source.path);
  if (source.kind === 'backup') writeKey(writer.blob32(source.file), source.key);
  return writer.finish();
}

/** Throws FRAME_BAD. */
export function parseSealRequest(payload: Uint8Array): SealRequest {
  const reader = new WireReader(payload);
  const request = { ...readRecipients(reader), source: readSource(reader) };
  reader.end();
  return request;
}

function readSource(reader: WireReader): SealSource {
  const kind = SOURCE_KINDS[reader.u8()];
  if (kind === undefined) throw reader.fault('an unknown source');
  switch (kind) {
    case 'new':
      return { kind };
    case 'import':
      return { kind, path: reader.str16() };
    case 'backup':
      return { kind, file: readEnvelope(reader), key: readKey(reader, KEY_KINDS[reader.u8()]) };
  }
}

export function encodeSealAnswer({ envelope, kpHsId, origin }: SealedIdentity): Uint8Array {
  return new WireWriter().blob32(envelope).bytes(kpHsId, 32).str8(origin).finish();
}

export function parseSealAnswer(payload: Uint8Array): SealedIdentity {
  const reader = new WireReader(payload);
  const envelope = readEnvelope(reader);
  const kpHsId = reader.key(parseKpHsId);
  const origin = reader.str8() as Origin;
  reader.end();
  return { envelope, kpHsId, origin };
}

export function encodeResealRequest(request: ResealRequest): Uint8Array {
  const writer = new WireWriter();
  writeRecipients(writer, request);
  writeTokens(writer, request.added);
  writeNames(writer, request.remove);
  return writer.blob32(request.envelope).bytes(request.kpHsId, 32).finish();
}

/** Throws FRAME_BAD. */
export function parseResealRequest(payload: Uint8Array): ResealRequest {
  const reader = new WireReader(payload);
  const request = {
    ...readRecipients(reader),
    added: readTokens(reader),
    remove: readNames(reader),
    ...readEnvelopeOf(reader),
  };
  reader.end();
  return request;
}

const readEnvelopeOf = (reader: WireReader): EnvelopeOf => ({
  envelope: readEnvelope(reader),
  kpHsId: reader.key(parseKpHsId),
});

export function encodeVerifyRequest({ envelope, kpHsId, by }: VerifyRequest): Uint8Array {
  const writer = new WireWriter().blob32(envelope).bytes(kpHsId, 32);
  if (by.kind === 'token') writeAccess(writer.u8(TOKEN_KIND), by.access);
  else writeKey(writer, by);
  return writer.finish();
}

/** Throws FRAME_BAD. */
export function parseVerifyRequest(payload: Uint8Array): VerifyRequest {
  const reader = new WireReader(payload);
  const envelope = readEnvelopeOf(reader);
  const kind = reader.u8();
  const by =
    kind === TOKEN_KIND
      ? { kind: 'token' as const, access: readAccess(reader) }
      : readKey(reader, KEY_KINDS[kind]);
  reader.end();
  return { ...envelope, by };
}

export function encodeCopyRequest({ envelope, kpHsId, access, passphraseSource }: CopyRequest): Uint8Array {
  const writer = new WireWriter().blob32(envelope).bytes(kpHsId, 32);
  writeAccess(writer, access);
  return writer.str16(passphraseSource).finish();
}

/** Throws FRAME_BAD. */
export function parseCopyRequest(payload: Uint8Array): CopyRequest {
  const reader = new WireReader(payload);
  const request = {
    ...readEnvelopeOf(reader),
    access: readAccess(reader),
    passphraseSource: reader.str16(),
  };
  reader.end();
  return request;
}
