import {
  type CaaRecord,
  DescriptorError,
  type KpHscDescEnc,
  parseClientAuthFile,
  toHex,
} from '../../descriptor/index.ts';
import { NAME_PATTERN } from '../contract/name.ts';
import {
  readAnyMap,
  readInteger,
  readList,
  readMap,
  readScalar,
  readText,
  requireKey,
} from '../program/read-yaml.ts';
import { errorAt, type YamlNode } from '../program/strict-yaml.ts';
import type { ClientPolicy } from './types.ts';

/** More leave no room for three introduction points; the keyholder's list has the same bounds. */
export const MAX_CLIENTS = 368;
export const MAX_CAA = 8;
const MAX_CAA_VALUE = 255;

const CLIENT_NAME = new RegExp(NAME_PATTERN);
/** What stands before the key in tor's own `.auth` file; it may be left out. */
const CLIENT_KIND = 'descriptor:x25519:';

export const CAA_KEYS = ['flags', 'tag', 'value'] as const;
const CAA_TAG = /^[a-z0-9]{1,15}$/;
/** What a line of a descriptor can carry between quotation marks. */
const CAA_VALUE = /^[ !#-[\]-~]*$/;
/** RFC 8659 section 4.2: a domain or none, then parameters. */
const CAA_ISSUER =
  /^ *(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)? *(?:; *(?:[a-z0-9]+ *= *[!-:<-~]*(?: *; *[a-z0-9]+ *= *[!-:<-~]*)*)? *)?$/i;
const CAA_REPORT = /^(?:mailto:|https?:\/\/)[!-~]+$/;
const VALUES: ReadonlyMap<string, RegExp> = new Map([
  ['issue', CAA_ISSUER],
  ['issuewild', CAA_ISSUER],
  ['issuemail', CAA_ISSUER],
  ['issuevmc', CAA_ISSUER],
  ['iodef', CAA_REPORT],
]);
const OTHER_TAGS: readonly string[] = ['contactemail', 'contactphone'];

/**
 * `clients`: name → public key of an authorized client; each name and each key once, sorted by name. SignerError BAD_VALUE,
 * or CLIENT-KEY for a key that anybody could open (low order) or that has two encodings.
 */
export function readClients(node: YamlNode): readonly ClientPolicy[] {
  const map = readAnyMap(node, '`clients`');
  if (map.entries.size === 0 || map.entries.size > MAX_CLIENTS) {
    const message = `name 1 to ${MAX_CLIENTS} clients, or leave \`clients\` out to let everybody in`;
    throw errorAt('BAD_VALUE', map, message);
  }
  const keys = new Set<string>();
  const clients = [...map.entries].map(([name, value]) => {
    const place = map.keys.get(name) ?? map;
    if (!CLIENT_NAME.test(name)) {
      const rule = 'names are lower-case letters, digits and hyphens, at most 63';
      throw errorAt('BAD_VALUE', place, `write a client as name: key; ${rule}`);
    }
    const key = readClientKey(value);
    const text = toHex(key);
    if (keys.has(text)) throw errorAt('CLIENT-KEY', value, 'give each client a key of its own');
    keys.add(text);
    return Object.freeze({ name, key });
  });
  return Object.freeze(clients.sort((a, b) => (a.name < b.name ? -1 : 1)));
}

function readClientKey(node: YamlNode): KpHscDescEnc {
  const { text } = readScalar(node, 'the key of a client');
  try {
    return parseClientAuthFile(text.startsWith(CLIENT_KIND) ? text : `${CLIENT_KIND}${text}`);
  } catch (cause) {
    if (cause instanceof DescriptorError && cause.code === 'BAD_KEY_FILE') {
      const message = `write a client as ${CLIENT_KIND}KEY, the 52 characters of base32 from its .auth file`;
      throw errorAt('BAD_VALUE', node, message, cause);
    }
    const message = 'have the client make another key; this one is not canonical or of low order';
    throw errorAt('CLIENT-KEY', node, message, cause);
  }
}

/** `caa`: 1 to 8 records (RFC 8659), each once, in the order written. SignerError BAD_VALUE. */
export function readCaa(node: YamlNode): readonly CaaRecord[] {
  const records = readList(node, '`caa`', MAX_CAA).map(item => {
    const map = readMap(item, CAA_KEYS, 'a CAA record');
    const what = 'the CAA record';
    const flags = readInteger(requireKey(map, 'flags', what), '`flags`', 0, 128);
    if (flags !== 0 && flags !== 128)
      throw errorAt('BAD_VALUE', map, 'write `flags` as 0, or as 128 for critical');
    const tag = readText(
      requireKey(map, 'tag', what),
      CAA_TAG,
      '`tag`',
      '1 to 15 lower-case letters and digits',
    );
    return Object.freeze({ flags, tag, value: readCaaValue(requireKey(map, 'value', what), tag) });
  });
  if (new Set(records.map(formatCaa)).size < records.length) {
    throw errorAt('BAD_VALUE', node, 'write each CAA record once');
  }
  return Object.freeze(records);
}

function readCaaValue(node: YamlNode, tag: string): string {
  const { text } = readScalar(node, '`value`');
  if (text.length > MAX_CAA_VALUE || !CAA_VALUE.test(text)) {
    const message = `write \`value\` in at most ${MAX_CAA_VALUE} ASCII characters without quotation mark and backslash`;
    throw errorAt('BAD_VALUE', node, message);
  }
  if (VALUES.get(tag)?.test(text) === false) {
    const example =
      tag === 'iodef' ? 'mailto:security@example.org' : 'ca.example.net, or ; for no authority at all';
    throw errorAt('BAD_VALUE', node, `write the value of \`${tag}\` as in RFC 8659, such as ${example}`);
  }
  return text;
}

/** Tags that no registry knows as far as we know: spelt wrong, they would protect nothing. */
export function unknownCaaTags(records: readonly CaaRecord[]): readonly string[] {
  const known = [...VALUES.keys(), ...OTHER_TAGS];
  return [...new Set(records.map(({ tag }) => tag))].filter(tag => !known.includes(tag));
}

/** One record as it stands in a descriptor. */
export const formatCaa = ({ flags, tag, value }: CaaRecord): string => `${flags} ${tag} "${value}"`;
