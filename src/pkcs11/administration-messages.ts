import { CustodyError, parseCustodyErrorCode } from './error.ts';
import { isOwnLabel } from './own-labels.ts';
import type { FailingSlot } from './token-facts.ts';
import { readAccess, type TokenAccess, writeAccess } from './token-messages.ts';
import { WireReader, WireWriter } from './wire.ts';

/** One token of a module, as it presents itself without login. */
export interface TokenSummary {
  /** Selects the token, with its module. */
  readonly uri: string;
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  /** CK_TOKEN_INFO.flags. */
  readonly flags: number;
  /** Which ways to open our envelopes the token lists; see `token probe` for what it does. */
  readonly hasRsaOaep: boolean;
  readonly hasAesGcm: boolean;
}

/** What `token list` shows. */
export interface TokenList {
  readonly tokens: readonly TokenSummary[];
  readonly failing: readonly FailingSlot[];
}

/** Sizes of RSA keys that may be made, in bits. */
export const RSA_BITS = [2048, 3072, 4096] as const;
export type RsaBits = (typeof RSA_BITS)[number];

export interface PrepareRequest {
  readonly access: TokenAccess;
  /** An RSA pair, or an AES key of 256 bits. */
  readonly key: { readonly kind: 'rsa'; readonly bits: RsaBits } | { readonly kind: 'aes' };
  /** CKA_LABEL, 1 to 64 characters; not one of `isOwnLabel`. */
  readonly label: string;
}

export function encodeTokenList({ tokens, failing }: TokenList): Uint8Array {
  const writer = new WireWriter().u16(tokens.length);
  for (const { uri, label, manufacturer, model, serial, flags, hasRsaOaep, hasAesGcm } of tokens) {
    writer.str16(uri).str8(label).str8(manufacturer).str8(model).str8(serial);
    writer
      .u32(flags)
      .u8(hasRsaOaep ? 1 : 0)
      .u8(hasAesGcm ? 1 : 0);
  }
  writer.u16(failing.length);
  for (const { position, description, code, ckr } of failing)
    writer
      .u32(position)
      .str8(description)
      .str8(code)
      .u32(ckr % 2 ** 32);
  return writer.finish();
}

export function parseTokenList(payload: Uint8Array): TokenList {
  const reader = new WireReader(payload);
  const tokens = Array.from({ length: reader.u16() }, () => ({
    uri: reader.str16(),
    label: reader.str8(),
    manufacturer: reader.str8(),
    model: reader.str8(),
    serial: reader.str8(),
    flags: reader.u32(),
    hasRsaOaep: readFlag(reader),
    hasAesGcm: readFlag(reader),
  }));
  const failing = Array.from({ length: reader.u16() }, () => ({
    position: reader.u32(),
    description: reader.str8(),
    code: parseCustodyErrorCode(reader.str8()) ?? 'TOKEN_PROTOCOL',
    ckr: reader.u32(),
  }));
  reader.end();
  return { tokens, failing };
}

function readFlag(reader: WireReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw reader.fault('a flag is 0 or 1');
  return flag === 1;
}

/** 0 bits are those of an AES key. */
export function encodePrepareRequest({ access, key, label }: PrepareRequest): Uint8Array {
  const writer = new WireWriter();
  writeAccess(writer, access);
  return writer
    .u16(key.kind === 'rsa' ? key.bits : 0)
    .str8(label)
    .finish();
}

/** Throws FRAME_BAD, KEY_UNSUITABLE for another size, KEY_LABEL for one of the labels that stand for our own objects. */
export function parsePrepareRequest(payload: Uint8Array): PrepareRequest {
  const reader = new WireReader(payload);
  const access = readAccess(reader);
  const size = reader.u16();
  const label = reader.str8();
  reader.end();
  const bits = RSA_BITS.find(known => known === size);
  if (bits === undefined && size !== 0) throw new CustodyError('KEY_UNSUITABLE');
  if (label.length === 0 || label.length > 64) throw reader.fault('the label of a key');
  if (isOwnLabel(label)) throw new CustodyError('KEY_LABEL');
  return { access, key: bits === undefined ? { kind: 'aes' } : { kind: 'rsa', bits }, label };
}
