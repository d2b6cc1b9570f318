import { type Bytes, asciiBytes, decodeUtf8, encodeBase32, equalBytes } from './bytes.ts';
import { DescriptorError } from './error.ts';
import { type KpHsId, type KpHscDescEnc, parseKpHscDescEnc } from './keys.ts';
import { formatOnionAddress, parseOnionAddress } from './onion-address.ts';
import { decodeBase32Into, encodeBase32Into } from './secret-text.ts';

/** Length of a client's `.auth_private` in bytes, its LF included. */
export const AUTH_PRIVATE_LENGTH = 128;

const LABEL_LENGTH = 56;
const KEY_DIGITS = 52;
const KEY_LENGTH = 32;
const LF = 0x0a;
const KIND = asciiBytes(':descriptor:x25519:');
const AUTH_LINE = /^descriptor:x25519:([A-Za-z2-7]{52})\n?$/;
const OB_LINE = /^MasterOnionAddress +([a-z2-7]{56}\.onion) *$/;

/**
 * Reads the file by which tor's service knows a client, `authorized_clients/NAME.auth`: `descriptor:x25519:` and the
 * key as 52 digits of base32 of either case, ended by LF or by the file (in no specification). Throws BAD_KEY_FILE,
 * BAD_BASE32, BAD_KEY.
 */
export function parseClientAuthFile(text: string): KpHscDescEnc {
  const digits = AUTH_LINE.exec(text)?.[1];
  if (digits === undefined)
    throw badFile('a client must stand as descriptor:x25519: and 52 digits of base32');
  const key = new Uint8Array(KEY_LENGTH);
  if (!decodeBase32Into(key, asciiBytes(digits))) {
    throw new DescriptorError('BAD_BASE32', 'the base32 of a client is not canonical');
  }
  return parseKpHscDescEnc(key);
}

/** `authorized_clients/NAME.auth`, 71 characters with its LF: tor's own format, in no specification. Does not throw. */
export function encodeClientAuthFile(kpHscDescEnc: KpHscDescEnc): string {
  return `descriptor:x25519:${encodeBase32(kpHscDescEnc)}\n`;
}

/**
 * Reads a client's own file, `NAME.auth_private` (tor's own format, in no specification): the address without `.onion`,
 * `:descriptor:x25519:` and the private key as 52 digits of base32 of either case, ended by LF or by the file. The key
 * goes into the caller's `privateKey` of 32 bytes, never into a string; that is wiped before an error. Returns whose
 * client it is. Throws BAD_KEY_FILE, BAD_ADDRESS, BAD_LENGTH for another buffer.
 */
export function parseClientAuthPrivate(file: Bytes, privateKey: Bytes): KpHsId {
  checkKeyLength(privateKey);
  const [kind, end] = [LABEL_LENGTH + KIND.length, AUTH_PRIVATE_LENGTH - 1];
  const isWhole = file.length === end || (file.length === AUTH_PRIVATE_LENGTH && file[end] === LF);
  const hasKind = equalBytes(file.subarray(LABEL_LENGTH, kind), KIND);
  if (!isWhole || !hasKind || !decodeBase32Into(privateKey, file.subarray(kind, end))) {
    privateKey.fill(0);
    throw badFile(
      'a private client file must hold 56 characters, :descriptor:x25519: and 52 digits of base32',
    );
  }
  try {
    return parseOnionAddress(decodeUtf8(file.subarray(0, LABEL_LENGTH)));
  } catch (cause) {
    privateKey.fill(0);
    throw new DescriptorError('BAD_ADDRESS', 'the address of a private client file must be one', { cause });
  }
}

/**
 * Writes `NAME.auth_private` (tor's own format, in no specification) for a client of this service with this private key
 * (32 bytes) into the caller's `file` of 128 bytes. Throws BAD_LENGTH.
 */
export function writeClientAuthPrivate(file: Bytes, kpHsId: KpHsId, privateKey: Bytes): void {
  checkKeyLength(privateKey);
  if (file.length !== AUTH_PRIVATE_LENGTH) {
    throw new DescriptorError('BAD_LENGTH', `a private client file has ${AUTH_PRIVATE_LENGTH} bytes`);
  }
  file.fill(LF);
  file.set(asciiBytes(formatOnionAddress(kpHsId).slice(0, LABEL_LENGTH)));
  file.set(KIND, LABEL_LENGTH);
  const digits = LABEL_LENGTH + KIND.length;
  encodeBase32Into(file.subarray(digits, digits + KEY_DIGITS), privateKey);
}

/**
 * Reads a backend's file `ob_config` (tor's own format, in no specification): lines `MasterOnionAddress ADDRESS.onion`,
 * empty lines and comments from `#` on. At least one address: tor 0.4.9 does not survive a file without. Throws
 * BAD_KEY_FILE, BAD_ADDRESS.
 */
export function parseObConfig(text: string): KpHsId[] {
  const lines = text.split('\n').filter(line => !/^ *(?:#.*)?$/.test(line));
  const masters = lines.map(line => {
    const address = OB_LINE.exec(line)?.[1];
    if (address === undefined)
      throw badFile('a line of ob_config must be MasterOnionAddress and one address with .onion');
    return parseOnionAddress(address);
  });
  if (masters.length === 0) throw badFile('ob_config must name a MasterOnionAddress');
  return masters;
}

/**
 * `ob_config` of a backend that answers for these services (tor's own format, in no specification). Throws
 * BAD_KEY_FILE for no service.
 */
export function encodeObConfig(masters: readonly KpHsId[]): string {
  if (masters.length === 0) throw badFile('ob_config must name a MasterOnionAddress');
  return masters.map(kpHsId => `MasterOnionAddress ${formatOnionAddress(kpHsId)}\n`).join('');
}

function checkKeyLength(privateKey: Bytes): void {
  if (privateKey.length !== KEY_LENGTH) {
    throw new DescriptorError('BAD_LENGTH', `a private key has ${KEY_LENGTH} bytes`);
  }
}

function badFile(rule: string): DescriptorError {
  return new DescriptorError('BAD_KEY_FILE', rule);
}
