import { isAbsolute, normalize } from 'node:path';
import { NAME_PATTERN } from './contract/name.ts';
import { readDuration, readMap, readScalar, readText, requireKey } from './program/read-yaml.ts';
import { errorAt, type YamlNode } from './program/strict-yaml.ts';

/** Values of signer.yaml: paths and the names of secrets, never a secret itself. */

const NAME = new RegExp(NAME_PATTERN);
const CREDENTIAL = /^credential:[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$/;

/** Absolute, as short as it can be written, printable ASCII. */
export const isCleanPath = (path: string): boolean =>
  isAbsolute(path) && normalize(path) === path && !/[^\u0020-\u007e]/.test(path) && path.length <= 1024;

/** A clean path; `what` names the value in the message. SignerError BAD_VALUE. */
export function readPath(node: YamlNode, what: string): string {
  const { text } = readScalar(node, what);
  if (!isCleanPath(text))
    throw errorAt('BAD_VALUE', node, `write ${what} as an absolute path without \`..\``);
  return text;
}

/** Anything that is not the name of a source may be the PIN itself, and is repeated nowhere. */
export function readPinSource(node: YamlNode): string {
  const { text } = readScalar(node, '`pin`');
  if (text === 'tty') return text;
  if (!text.startsWith('file:') && !text.startsWith('credential:')) {
    throw errorAt(
      'PIN_LITERAL',
      node,
      'write `pin` as credential:NAME, file:/path or tty, and change the PIN',
    );
  }
  return readSecretSource(node);
}

/** `credential:NAME` or `file:/path`. SignerError BAD_VALUE. */
export function readSecretSource(node: YamlNode): string {
  const { text } = readScalar(node, 'a source');
  const ok = text.startsWith('file:') ? isCleanPath(text.slice('file:'.length)) : CREDENTIAL.test(text);
  if (!ok) throw errorAt('BAD_VALUE', node, 'write credential:NAME or file:/absolute/path');
  return text;
}

/** An RFC 7512 URI without a PIN in any spelling. SignerError PIN_LITERAL, BAD_VALUE. */
export function readTokenUri(node: YamlNode): string {
  const { text } = readScalar(node, 'a token');
  if (/pin-(?:value|source)/i.test(decodeLoosely(text))) {
    throw errorAt('PIN_LITERAL', node, 'take the PIN out of the URI and name its source under `pin`');
  }
  return readText(node, /^pkcs11:[\u0021-\u007e]{1,1000}$/, 'a token', 'an RFC 7512 URI: "pkcs11:token=…"');
}

/** Percent-encoded letters must not hide an attribute's name. */
const decodeLoosely = (uri: string): string =>
  uri.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

/** A named test network and its seconds between votes; undefined for `tor` and when absent. SignerError BAD_VALUE. */
export function readTestNetwork(
  node: YamlNode | undefined,
): { readonly name: string; readonly votingInterval: number } | undefined {
  if (node === undefined) return undefined;
  if (node.kind === 'text') {
    readText(node, /^tor$/, '`network`', 'tor, or { name: …, voting_interval: … }');
    return undefined;
  }
  const map = readMap(node, ['name', 'voting_interval'], '`network`');
  const nameNode = requireKey(map, 'name', '`network`');
  const name = readText(nameNode, NAME, '`name`', 'lower-case letters, digits, hyphens');
  if (name === 'tor')
    throw errorAt('BAD_VALUE', map, 'write `network: tor` for the public network, or choose another name');
  const interval = requireKey(map, 'voting_interval', '`network`');
  const votingInterval = readDuration(interval, '`voting_interval`', 10, 3_600);
  if (votingInterval % 5 !== 0) throw errorAt('BAD_VALUE', interval, 'use a multiple of 5 seconds');
  return { name, votingInterval };
}

/** In words, because it is the owner's decision: whether secrets may reach swap where no memory can be locked. */
export const readLockedMemory = (node: YamlNode): string =>
  readText(node, /^(?:required|swap-accepted)$/, '`locked_memory`', 'required or swap-accepted');
