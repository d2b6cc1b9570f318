import { SignerError } from '../contract/problems.ts';
import { nearestKey } from '../program/read-yaml.ts';
import type { Place, YamlMap, YamlNode } from '../program/strict-yaml.ts';
import { GROUP_KEYS, SERVICE_KEYS } from './read-policy-file.ts';
import { LIMIT_KEYS, type LoadedService, MEMBER_KEYS } from './read-service.ts';

/** Without one of these nothing is left to be read; what would be said then is no fault of the file. */
const NEEDED: readonly string[] = ['service', 'address', 'backends', 'publishers'];

/** What can be read of a file, and what is wrong with it. */
export interface Collected {
  readonly loaded: readonly LoadedService[];
  readonly problems: readonly SignerError[];
  readonly dropped: readonly DroppedKey[];
}

/** A key that was left out because its value is at fault: what it should be nobody knows. */
export interface DroppedKey {
  /** Which service of a group had it; undefined at the top of the file. */
  readonly member: string | undefined;
  /** `clients`, `limits.points`, or `limits` as a whole. */
  readonly key: string;
}

/**
 * Reads a policy file by its reader, which ends at the first fault: then once more without the key at fault, under the name
 * that it was meant to have, or without that service of a group. So not every fault is found at once, but none is made up.
 */
export function collectProblems(top: YamlMap, read: (map: YamlMap) => LoadedService[]): Collected {
  const [problems, dropped] = [new Array<SignerError>(), new Array<DroppedKey>()];
  for (let map = top; ; ) {
    try {
      return { loaded: read(map), problems, dropped };
    } catch (error) {
      if (!(error instanceof SignerError)) throw error;
      problems.push(error);
      const rest = without(map, error);
      if (rest === undefined) return { loaded: [], problems, dropped };
      if (rest.key !== undefined) dropped.push({ member: rest.member, key: rest.key });
      map = rest.map;
    }
  }
}

/** A file without what an error points at; `key` is left out of it, and nobody knows what it should be. */
interface Rest {
  readonly map: YamlMap;
  readonly member?: string;
  readonly key?: string;
}

/** The file without what the error points at; undefined when too little would be left. */
function without(map: YamlMap, error: SignerError): Rest | undefined {
  const key = keyAt(map, error);
  if (key === undefined) return undefined;
  if (key !== 'services')
    return cut(map, key, error, map.entries.has('services') ? GROUP_KEYS : SERVICE_KEYS);
  const node = map.entries.get(key);
  const member = node?.kind === 'map' ? keyAt(node, error) : undefined;
  const service = node?.kind === 'map' && member !== undefined ? node.entries.get(member) : undefined;
  if (node?.kind !== 'map' || member === undefined || service?.kind !== 'map') return undefined;
  const own = keyAt(service, error);
  const rest = own === undefined ? undefined : cut(service, own, error, MEMBER_KEYS);
  if (rest !== undefined)
    return { ...rest, map: withEntry(map, key, withEntry(node, member, rest.map)), member };
  const others = withoutKey(node, member);
  return others.entries.size === 0 ? undefined : { map: withEntry(map, key, others) };
}

/**
 * The map without this key, of limits without the one at fault; undefined where the key is needed. A misspelt key is read as
 * what it was meant to be.
 */
function cut(map: YamlMap, key: string, error: SignerError, known: readonly string[]): Rest | undefined {
  const [node, place] = [map.entries.get(key), map.keys.get(key)];
  if (error.code === 'UNKNOWN_KEY' && place?.line === error.line && place?.column === error.column) {
    const meant = nearestKey(key, known);
    const isMeant = meant !== undefined && !map.entries.has(meant);
    return { map: isMeant ? renamed(map, key, meant) : withoutKey(map, key) };
  }
  if (NEEDED.includes(key)) return undefined;
  const limit = key === 'limits' && node?.kind === 'map' ? keyAt(node, error) : undefined;
  if (limit === undefined || node?.kind !== 'map') return { map: withoutKey(map, key), key };
  const rest = cut(node, limit, error, LIMIT_KEYS);
  if (rest === undefined) return undefined;
  const whole = { map: withEntry(map, key, rest.map) };
  return rest.key === undefined ? whole : { ...whole, key: `${key}.${rest.key}` };
}

/** The last key that stands before the place of the error or at it. */
function keyAt(map: YamlMap, error: SignerError): string | undefined {
  if (isAtStart(map, error)) return undefined;
  return [...map.keys].findLast(([, place]) => isBefore(place, error))?.[0];
}

/** What a map lacks is said at its first key. */
const isAtStart = (map: Place, { line, column, code }: SignerError): boolean =>
  code !== 'UNKNOWN_KEY' && map.line === line && map.column === column;

const isBefore = (place: Place, { line = 0, column = 0 }: SignerError): boolean =>
  place.line < line || (place.line === line && place.column <= column);

function withoutKey(map: YamlMap, key: string): YamlMap {
  const [entries, keys] = [new Map(map.entries), new Map(map.keys)];
  entries.delete(key);
  keys.delete(key);
  return { ...map, entries, keys };
}

/** Its keys stay in the order of the file. */
function renamed(map: YamlMap, from: string, to: string): YamlMap {
  const rename = <T>(all: ReadonlyMap<string, T>): Map<string, T> =>
    new Map([...all].map(([key, value]) => [key === from ? to : key, value]));
  return { ...map, entries: rename(map.entries), keys: rename(map.keys) };
}

const withEntry = (map: YamlMap, key: string, node: YamlNode): YamlMap => ({
  ...map,
  entries: new Map(map.entries).set(key, node),
});
