import {
  type Bytes,
  asciiBytes,
  decodeBase64,
  encodeBase64,
  encodeBase64Unpadded,
  fixedBytes,
} from './bytes.ts';
import { type AuthClientLine, CLIENT_ID_LENGTH, CLIENT_IV_LENGTH } from './client-auth.ts';
import { DescriptorError } from './error.ts';
import { type KpHssDescEnc, parseKpHssDescEnc } from './keys.ts';
import { DESCRIPTOR_COOKIE_LENGTH } from './layer-crypt.ts';
import {
  type KeywordRules,
  type NetdocItem,
  argOf,
  atItem,
  checkItems,
  encodeObject,
  objectOf,
  parseNetdoc,
  where,
} from './netdoc.ts';

/** The middle layer (rend-spec-v3 §2.5.1.2). */
export interface MiddleLayer {
  /** A real key even when no client is authorized, as tor does. */
  readonly ephemeralKey: KpHssDescEnc;
  /** At least one; fakes among them. */
  readonly authClients: readonly AuthClientLine[];
  /** The encrypted inner layer. */
  readonly encrypted: Bytes;
  /** A certificate authority that cannot read the inner layer must not certify (RFC 9799). */
  readonly caaCritical: boolean;
}

/** The middle layer as read, with the lines that nobody here knows. */
export interface ParsedMiddleLayer extends MiddleLayer {
  readonly unknown: readonly NetdocItem[];
}

/** tor fills up with fakes to a multiple of this many lines. */
export const AUTH_CLIENT_MULTIPLE = 16;

type Keyword = 'desc-auth-type' | 'desc-auth-ephemeral-key' | 'auth-client' | 'caa-critical' | 'encrypted';

const RULES: KeywordRules<Keyword> = {
  'desc-auth-type': { count: 'one', place: 'first', args: { min: 1 } },
  'desc-auth-ephemeral-key': { count: 'one', args: { min: 1 } },
  'auth-client': { count: 'some', args: { min: 3 } },
  'caa-critical': { count: 'optional' },
  encrypted: { count: 'one', object: 'MESSAGE' },
};

/**
 * Reads the middle layer, padding removed. Base64 of the client lines is padded or not, as tor and Arti differ.
 * Throws the codes of the reader, BAD_LAYER for another type of authorization, BAD_LENGTH, BAD_BASE64, BAD_KEY.
 */
export function parseMiddleLayer(text: Bytes): ParsedMiddleLayer {
  const section = checkItems(parseNetdoc(text), RULES);
  const type = section.one('desc-auth-type');
  if (argOf(type, 0) !== 'x25519') {
    throw new DescriptorError('BAD_LAYER', 'client authorization must be of type x25519', where(type));
  }
  const ephemeralKey = section.one('desc-auth-ephemeral-key');
  return {
    ephemeralKey: atItem(ephemeralKey, () =>
      parseKpHssDescEnc(decodeBase64(argOf(ephemeralKey, 0), 'either')),
    ),
    authClients: section.all('auth-client').map(parseAuthClient),
    encrypted: objectOf(section.one('encrypted')),
    caaCritical: section.optional('caa-critical') !== undefined,
    unknown: section.unknown,
  };
}

/**
 * The text of a middle layer as tor writes it: no padding yet, and no LF after the last END line.
 * Throws BAD_LAYER unless the client lines are a positive multiple of 16.
 */
export function encodeMiddleLayer(middle: MiddleLayer): Bytes {
  const { length } = middle.authClients;
  if (length === 0 || length % AUTH_CLIENT_MULTIPLE !== 0) {
    throw new DescriptorError(
      'BAD_LAYER',
      `client lines must be filled to a multiple of ${AUTH_CLIENT_MULTIPLE}`,
    );
  }
  const text =
    'desc-auth-type x25519\n' +
    `desc-auth-ephemeral-key ${encodeBase64(middle.ephemeralKey)}\n` +
    middle.authClients.map(encodeAuthClient).join('') +
    (middle.caaCritical ? 'caa-critical\n' : '') +
    `encrypted\n${encodeObject('MESSAGE', middle.encrypted)}`;
  return asciiBytes(text.slice(0, -1));
}

function parseAuthClient(item: NetdocItem): AuthClientLine {
  const field = (index: number, length: number): Bytes =>
    fixedBytes(decodeBase64(argOf(item, index), 'either'), length, `argument ${index + 1} of auth-client`);
  return atItem(item, () => ({
    clientId: field(0, CLIENT_ID_LENGTH),
    iv: field(1, CLIENT_IV_LENGTH),
    encryptedCookie: field(2, DESCRIPTOR_COOKIE_LENGTH),
  }));
}

function encodeAuthClient({ clientId, iv, encryptedCookie }: AuthClientLine): string {
  return `auth-client ${[clientId, iv, encryptedCookie].map(encodeBase64Unpadded).join(' ')}\n`;
}
