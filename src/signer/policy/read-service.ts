import {
  DescriptorError,
  formatOnionAddress,
  parseOnionAddress,
  type KpHsId,
} from '../../descriptor/index.ts';
import { NAME_PATTERN } from '../contract/name.ts';
import type { SignerError } from '../contract/problems.ts';
import { MAX_POINTS } from '../contract/requests.ts';
import {
  readAnyMap,
  readBoolean,
  readInteger,
  readList,
  readMap,
  readRange,
  readRate,
  readScalar,
  readText,
  requireKey,
} from '../program/read-yaml.ts';
import { errorAt, type Place, type YamlMap, type YamlNode } from '../program/strict-yaml.ts';
import { roomForPoints } from './descriptor-room.ts';
import { readCaa, readClients } from './read-access.ts';
import { DEFAULT_LIMITS, type BackendPolicy, type ServiceLimits, type ServicePolicy } from './types.ts';

/** What `_defaults.yaml` and a group may set too. */
export const SHARED_KEYS = [
  'publishers',
  'enabled',
  'single_onion',
  'limits',
  'caa',
  'caa_critical',
] as const;
/** Of a service beside its alias, in a file of its own or in a group. */
export const MEMBER_KEYS = ['address', 'backends', 'clients', ...SHARED_KEYS] as const;
export const LIMIT_KEYS = ['min_backends', 'points', 'points_per_backend', 'requests', 'point_sets'] as const;
export const BACKEND_KEYS = ['address', 'enabled'] as const;
export const MAX_BACKENDS = 255;
export const MAX_PUBLISHERS = 64;
export const MAX_RATE = 3_600;
const NAME = new RegExp(NAME_PATTERN);
const NAME_RULE = 'lower-case letters, digits and hyphens, at most 63';

/** What `_defaults.yaml` or a group may set; a service's own keys stand above it, limits one by one. */
export type ServiceDefaults = Partial<
  Pick<ServicePolicy, 'publishers' | 'enabled' | 'singleOnion' | 'caa' | 'caaCritical'>
> & {
  readonly limits?: Partial<ServiceLimits>;
};

/** A map that sets values, as the file has it and as it was read. */
export interface Layer {
  readonly kind: 'service' | 'group' | 'defaults';
  readonly map: YamlMap;
  readonly values: ServiceDefaults;
}

/** A service's name and where it stands. */
export interface Alias {
  readonly name: string;
  readonly place: Place;
}

/** A service with the places that later checks point at. */
export interface LoadedService {
  readonly policy: ServicePolicy;
  readonly top: YamlMap;
  readonly alias: Place;
  readonly backendPlaces: ReadonlyMap<string, Place>;
  /** Its own map first, `_defaults.yaml` last. */
  readonly layers: readonly Layer[];
}

/** Reads what a map sets of SHARED_KEYS; whoever calls has refused its unknown keys. SignerError BAD_VALUE. */
export const readLayer = (kind: Layer['kind'], map: YamlMap): Layer => ({
  kind,
  map,
  values: readShared(map),
});

/** Reads `_defaults.yaml`. SignerError UNKNOWN_KEY, BAD_VALUE. */
export const readDefaults = (top: YamlMap): Layer =>
  readLayer('defaults', readMap(top, SHARED_KEYS, 'the defaults'));

/** The name of a service, a group's or a file's. SignerError BAD_VALUE. */
export function readAlias(name: string, place: Place): Alias {
  if (!NAME.test(name)) throw errorAt('BAD_VALUE', place, `write the name of a service as ${NAME_RULE}`);
  return { name, place };
}

/**
 * Reads one service out of `map`, whose unknown keys were refused; `beneath` sets what it leaves out, the nearest first.
 * SignerError UNKNOWN_KEY, MISSING_KEY, BAD_VALUE.
 */
export function readMember(map: YamlMap, alias: Alias, beneath: readonly Layer[]): LoadedService {
  const layers = [readLayer('service', map), ...beneath];
  const { publishers, ...shared } = overlay(layers);
  const kpHsId = readAddress(requireKey(map, 'address', 'the policy'));
  const { backends, places } = readBackends(requireKey(map, 'backends', 'the policy'));
  if (publishers === undefined) {
    throw errorAt('MISSING_KEY', map, 'add `publishers: [NAME]` here or in _defaults.yaml');
  }
  const limits = { ...DEFAULT_LIMITS, ...shared.limits };
  const enabled = shared.enabled ?? true;
  if (enabled) checkReachable(limits, backends.filter(backend => backend.enabled).length, map);
  const clients = map.entries.get('clients');
  const policy: ServicePolicy = Object.freeze({
    service: alias.name,
    address: formatOnionAddress(kpHsId),
    kpHsId,
    enabled,
    singleOnion: shared.singleOnion ?? false,
    publishers,
    backends,
    limits: Object.freeze(limits),
    clients: clients === undefined ? Object.freeze([]) : readClients(clients),
    caa: shared.caa ?? Object.freeze([]),
    caaCritical: shared.caaCritical ?? false,
  });
  checkRoom(policy, map);
  return { policy, top: map, alias: alias.place, backendPlaces: places, layers };
}

/** All layers as one: the first that sets a value wins. */
function overlay(layers: readonly Layer[]): ServiceDefaults {
  return layers.reduceRight<ServiceDefaults>(
    (below, { values }) => ({ ...below, ...values, limits: { ...below.limits, ...values.limits } }),
    {},
  );
}

function readShared(map: YamlMap): ServiceDefaults {
  const flag = (key: string): boolean | undefined => {
    const node = map.entries.get(key);
    return node === undefined ? undefined : readBoolean(node, `\`${key}\``);
  };
  const publishers = map.entries.get('publishers');
  const limits = map.entries.get('limits');
  const [enabled, singleOnion] = [flag('enabled'), flag('single_onion')];
  const [caa, caaCritical] = [map.entries.get('caa'), flag('caa_critical')];
  return {
    ...(publishers === undefined ? {} : { publishers: readPublishers(publishers) }),
    ...(enabled === undefined ? {} : { enabled }),
    ...(singleOnion === undefined ? {} : { singleOnion }),
    ...(limits === undefined ? {} : { limits: readLimits(limits) }),
    ...(caa === undefined ? {} : { caa: readCaa(caa) }),
    ...(caaCritical === undefined ? {} : { caaCritical }),
  };
}

function readPublishers(node: YamlNode): readonly string[] {
  const names = readList(node, '`publishers`', MAX_PUBLISHERS).map(item =>
    readText(item, NAME, 'a publisher', NAME_RULE),
  );
  if (new Set(names).size !== names.length) throw errorAt('BAD_VALUE', node, 'name each publisher once');
  return Object.freeze(names.sort());
}

function readLimits(node: YamlNode): Partial<ServiceLimits> {
  const { entries } = readMap(node, LIMIT_KEYS, '`limits`');
  const [minBackends, points] = [entries.get('min_backends'), entries.get('points')];
  const [share, requests] = [entries.get('points_per_backend'), entries.get('requests')];
  const sets = entries.get('point_sets');
  const range = points === undefined ? undefined : readRange(points, '`points`', 1, MAX_POINTS);
  return {
    ...(range === undefined ? {} : { minPoints: range[0], maxPoints: range[1] }),
    ...(minBackends === undefined
      ? {}
      : { minBackends: readInteger(minBackends, '`min_backends`', 1, MAX_POINTS) }),
    ...(share === undefined
      ? {}
      : { maxPointsPerBackend: readInteger(share, '`points_per_backend`', 1, MAX_POINTS) }),
    ...(requests === undefined ? {} : { requestsPerHour: readRate(requests, '`requests`', 1, MAX_RATE) }),
    ...(sets === undefined ? {} : { pointSetsPerHour: readRate(sets, '`point_sets`', 1, MAX_RATE) }),
  };
}

function readBackends(node: YamlNode): { backends: readonly BackendPolicy[]; places: Map<string, Place> } {
  const map = readAnyMap(node, '`backends`');
  if (map.entries.size === 0 || map.entries.size > MAX_BACKENDS) {
    throw errorAt('BAD_VALUE', map, `name 1 to ${MAX_BACKENDS} backends`);
  }
  const backends: BackendPolicy[] = [];
  const addresses = new Set<string>();
  for (const [name, value] of map.entries) {
    const place = map.keys.get(name) ?? map;
    if (!NAME.test(name))
      throw errorAt('BAD_VALUE', place, `write a backend as name: address; names are ${NAME_RULE}`);
    const backend = readBackend(name, value);
    if (addresses.has(backend.address)) throw errorAt('BAD_VALUE', place, 'name each backend address once');
    addresses.add(backend.address);
    backends.push(backend);
  }
  backends.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { backends: Object.freeze(backends), places: new Map(map.keys) };
}

function readBackend(name: string, node: YamlNode): BackendPolicy {
  if (node.kind !== 'map') {
    const kpHsId = readAddress(node);
    return Object.freeze({ name, address: formatOnionAddress(kpHsId), kpHsId, enabled: true });
  }
  const { entries } = readMap(node, BACKEND_KEYS, 'a backend');
  const kpHsId = readAddress(requireKey(node, 'address', 'the backend'));
  const enabled = entries.get('enabled');
  return Object.freeze({
    name,
    address: formatOnionAddress(kpHsId),
    kpHsId,
    enabled: enabled === undefined || readBoolean(enabled, '`enabled`'),
  });
}

/** The address of a backend. SignerError BAD_VALUE, BACKEND-KEY. */
export function readBackendAddress(node: YamlNode): Pick<BackendPolicy, 'address' | 'kpHsId'> {
  const kpHsId = readAddress(node);
  return { address: formatOnionAddress(kpHsId), kpHsId };
}

/** Checksum, version and torsion are checked: whoever knows a torsion address could forge its evidence. */
function readAddress(node: YamlNode): KpHsId {
  const { text } = readScalar(node, 'an address');
  try {
    return parseOnionAddress(text);
  } catch (cause) {
    if (isBadKey(cause)) {
      const message = 'name another backend: anybody could sign for this key, or no tor ever made it';
      throw errorAt('BACKEND-KEY', node, message, cause);
    }
    const message = 'write a v3 onion address (56 characters and .onion) and compare it with its source';
    throw errorAt('BAD_VALUE', node, message, cause);
  }
}

/** An address whose checksum fits, but whose key is of small order, has a torsion part, or is no canonical point. */
const isBadKey = (thrown: unknown): boolean =>
  thrown instanceof DescriptorError &&
  thrown.cause instanceof DescriptorError &&
  thrown.cause.code === 'BAD_KEY';

/** Limits that no request could meet would be an outage in disguise. `backends` counts the enabled ones. */
function checkReachable(limits: ServiceLimits, backends: number, map: YamlMap): void {
  const refuse = (message: string, ...keys: (typeof LIMIT_KEYS)[number][]): SignerError =>
    errorAt('BAD_VALUE', placeOfLimit(map, keys) ?? map, message);
  if (limits.minBackends > backends) {
    const message = 'enable at least `min_backends` backends, lower it, or write `enabled: false`';
    throw refuse(message, 'min_backends');
  }
  if (limits.minBackends > limits.maxPoints) {
    throw refuse('let `points` allow one point for each of `min_backends`', 'points', 'min_backends');
  }
  if (limits.maxPointsPerBackend * backends < limits.minPoints) {
    const message = 'let `points_per_backend` of all backends reach the least of `points`';
    throw refuse(message, 'points_per_backend', 'points');
  }
}

/** The first of these limits that the map itself sets. */
function placeOfLimit(map: YamlMap, keys: readonly string[]): Place | undefined {
  const limits = map.entries.get('limits');
  if (limits?.kind !== 'map') return undefined;
  return keys.map(key => limits.entries.get(key)).find(node => node !== undefined);
}

/** What does not fit into a descriptor would be refused only after its second was spent. */
function checkRoom({ clients, caa, limits }: ServicePolicy, map: YamlMap): void {
  const room = roomForPoints(clients.length, caa);
  if (limits.maxPoints <= room) return;
  const place = placeOfLimit(map, ['points']) ?? map.entries.get('clients') ?? map;
  const message = `let \`points\` of \`limits\` end at ${room}: a descriptor has no room for more beside its clients`;
  throw errorAt('BAD_VALUE', place, message);
}
