import { SignerError } from '../contract/problems.ts';
import type { Place, YamlMap, YamlNode } from '../program/strict-yaml.ts';
import type { LoadedService } from './read-service.ts';

/** Without one of these nothing is left to be read; what would be said then is no fault of the file. */
const NEEDED: readonly string[] = ['service', 'address', 'backends', 'publishers'];

/** What can be read of a file, and what is wrong with it. */
export interface Collected {
  readonly loaded: readonly LoadedService[];
  readonly problems: readonly SignerError[];
}

/**
 * Reads a policy file by its reader, which ends at the first fault: then once more without the key at fault, or without that
 * service of a group. So not every fault is found at once, but none is made up.
 */
export function collectProblems(top: YamlMap, read: (map: YamlMap) => LoadedService[]): Collected {
  const problems: SignerError[] = [];
  for (let map: YamlMap | undefined = top; map !== undefined; ) {
    try {
      return { loaded: read(map), problems };
    } catch (error) {
      if (!(error instanceof SignerError)) throw error;
      problems.push(error);
      map = without(map, error);
    }
  }
  return { loaded: [], problems };
}

/** The file without what the error points at; undefined when too little would be left. */
function without(map: YamlMap, error: SignerError): YamlMap | undefined {
  const key = keyAt(map, error);
  if (key === undefined || NEEDED.includes(key)) return undefined;
  const node = map.entries.get(key);
  if (key !== 'services' || node?.kind !== 'map') return withoutKey(map, key);
  const alias = keyAt(node, error);
  const member = alias === undefined ? undefined : node.entries.get(alias);
  if (alias === undefined || member?.kind !== 'map') return undefined;
  const own = isAtStart(member, error) ? undefined : keyAt(member, error);
  const rest =
    own === undefined || NEEDED.includes(own)
      ? withoutKey(node, alias)
      : withEntry(node, alias, withoutKey(member, own));
  return rest.entries.size === 0 ? undefined : withEntry(map, key, rest);
}

/** The last key that stands before the place of the error or at it. */
function keyAt(map: YamlMap, error: SignerError): string | undefined {
  if (isAtStart(map, error) && error.code !== 'UNKNOWN_KEY') return undefined;
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

const withEntry = (map: YamlMap, key: string, node: YamlNode): YamlMap => ({
  ...map,
  entries: new Map(map.entries).set(key, node),
});
