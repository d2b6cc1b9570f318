import {
  formatSshPublicKey,
  parseSshPublicKey,
  SSH_KEY_TYPES,
  sshFingerprint,
  type SshPublicKey,
} from '../contract/ssh-key.ts';
import { NAME_PATTERN } from '../contract/name.ts';
import { readAnyMap, readInteger, readMap, readScalar, requireKey } from '../program/read-yaml.ts';
import { errorAt, type YamlMap, type YamlNode } from '../program/strict-yaml.ts';
import { ABSENT, change, type PolicyChange } from './policy-change.ts';

/** Somebody whose signature counts on the next policy. */
export interface Administrator {
  readonly name: string;
  readonly key: SshPublicKey;
}

/** Those who decide on the policy that follows the one they stand in. */
export interface Administrators {
  /** So many of them sign each policy. */
  readonly threshold: number;
  /** So many one that loosens, at least `threshold`. */
  readonly thresholdLoosening: number;
  /** Sorted by name. */
  readonly people: readonly Administrator[];
}

export const ADMINISTRATORS_FILE = '_administrators.yaml';
export const MAX_ADMINISTRATORS = 16;
/** Stands in place of a service in a difference; no service can have this name. */
export const ADMINISTRATORS = '(administrators)';

export const ADMINISTRATORS_KEYS = ['threshold', 'threshold_loosening', 'administrators'] as const;
const NAME = new RegExp(NAME_PATTERN);

/**
 * Reads `_administrators.yaml`. SignerError UNKNOWN_KEY, MISSING_KEY, BAD_VALUE, or ADMINISTRATOR-KEY for a key of a kind that
 * is not taken, or one that stands under two names.
 */
export function readAdministrators(top: YamlMap): Administrators {
  const what = 'the administrators';
  const map = readMap(top, ADMINISTRATORS_KEYS, what);
  const people = readPeople(requireKey(map, 'administrators', what));
  const bound = people.length;
  const threshold = readInteger(requireKey(map, 'threshold', what), '`threshold`', 1, bound);
  const more = map.entries.get('threshold_loosening');
  const thresholdLoosening =
    more === undefined ? threshold : readInteger(more, '`threshold_loosening`', threshold, bound);
  return Object.freeze({ threshold, thresholdLoosening, people });
}

function readPeople(node: YamlNode): readonly Administrator[] {
  const map = readAnyMap(node, '`administrators`');
  if (map.entries.size === 0 || map.entries.size > MAX_ADMINISTRATORS) {
    throw errorAt('BAD_VALUE', map, `name 1 to ${MAX_ADMINISTRATORS} administrators`);
  }
  const seen = new Set<string>();
  const people = [...map.entries].map(([name, value]) => {
    if (!NAME.test(name)) {
      const rule = 'lower-case letters, digits and hyphens, at most 63';
      throw errorAt('BAD_VALUE', map.keys.get(name) ?? map, `write a name as ${rule}`);
    }
    const key = readKey(value);
    const point = Buffer.from(key.point).toString('hex');
    if (seen.has(point))
      throw errorAt('ADMINISTRATOR-KEY', value, 'give each administrator a key of its own');
    seen.add(point);
    return Object.freeze({ name, key });
  });
  return Object.freeze(people.sort((a, b) => (a.name < b.name ? -1 : 1)));
}

/** As in a `.pub` file, with or without its comment. */
function readKey(node: YamlNode): SshPublicKey {
  const { text } = readScalar(node, 'the key of an administrator');
  const key = parseSshPublicKey(text.split(' ', 2).join(' '));
  if (key !== undefined) return key;
  const message = `write the line of a .pub file, of one of these kinds: ${SSH_KEY_TYPES.join(', ')}`;
  throw errorAt('ADMINISTRATOR-KEY', node, message);
}

/** Bounds that a stored policy keeps too. */
export function areSound({ threshold, thresholdLoosening, people }: Administrators): boolean {
  const keys = new Set(people.map(({ key }) => Buffer.from(key.point).toString('hex')));
  const names = people.map(({ name }) => name);
  return (
    threshold >= 1 &&
    threshold <= thresholdLoosening &&
    thresholdLoosening <= people.length &&
    keys.size === people.length &&
    names.every((name, i) => i === 0 || name > (names[i - 1] ?? ''))
  );
}

/** Naming the first restricts; whatever is changed after that may take the say from somebody. */
export function administratorChanges(
  from: Administrators | undefined,
  to: Administrators | undefined,
): PolicyChange[] {
  const [before, after] = [from, to].map(wordsOf);
  const rows = [...new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])].sort();
  return rows.flatMap(what => {
    const [was, is] = [before?.get(what) ?? ABSENT, after?.get(what) ?? ABSENT];
    return was === is ? [] : [change(ADMINISTRATORS, what, was, is, from !== undefined)];
  });
}

/** Each person with kind and fingerprint of the key, then the thresholds. */
export function wordsOf(administrators: Administrators | undefined): ReadonlyMap<string, string> {
  if (administrators === undefined) return new Map();
  const { threshold, thresholdLoosening, people } = administrators;
  const of = `of ${people.length}`;
  return new Map([
    ...people.map(({ name, key }): [string, string] => [
      `administrator ${name}`,
      `${key.type} ${sshFingerprint(key.blob)}`,
    ]),
    ['threshold', `${threshold} ${of}`],
    ['threshold_loosening', `${thresholdLoosening} ${of}`],
  ]);
}

/** Key and thresholds as the canonical policy has them. */
export const encodeAdministrators = ({ threshold, thresholdLoosening, people }: Administrators) => ({
  threshold,
  thresholdLoosening,
  people: people.map(({ name, key }) => ({ name, key: formatSshPublicKey(key) })),
});
