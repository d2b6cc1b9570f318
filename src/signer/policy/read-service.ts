import {
  DescriptorError,
  formatOnionAddress,
  parseOnionAddress,
  type KpHsId,
} from '../../descriptor/index.ts';
import { MAX_POINTS, NAME_PATTERN } from '../contract/requests.ts';
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

const SHARED_KEYS = ['publishers', 'enabled', 'single_onion', 'limits', 'caa', 'caa_critical'] as const;
const SERVICE_KEYS = ['service', 'address', 'backends', 'clients', ...SHARED_KEYS] as const;
const LIMIT_KEYS = ['min_backends', 'points', 'points_per_backend', 'requests', 'point_sets'] as const;
const MAX_BACKENDS = 255;
const MAX_PUBLISHERS = 64;
const MAX_RATE = 3_600;
const NAME = new RegExp(NAME_PATTERN);
const NAME_RULE = 'lower-case letters, digits and hyphens, at most 63';

/** What `_defaults.yaml` may set; a service's own keys stand above it, limits one by one. */
export type ServiceDefaults = Partial<
  Pick<ServicePolicy, 'publishers' | 'enabled' | 'singleOnion' | 'caa' | 'caaCritical'>
> & {
  readonly limits?: Partial<ServiceLimits>;
};

/** A service with the places that later checks point at. */
export interface LoadedService {
  readonly policy: ServicePolicy;
  readonly top: YamlMap;
  readonly backendPlaces: ReadonlyMap<string, Place>;
}

/** Reads `_defaults.yaml`. SignerError UNKNOWN_KEY, BAD_VALUE. */
export function readDefaults(top: YamlMap): ServiceDefaults {
  return readShared(readMap(top, SHARED_KEYS, 'the defaults'));
}

/** Reads one service file. SignerError UNKNOWN_KEY, MISSING_KEY, BAD_VALUE. */
export function readService(top: YamlMap, defaults: ServiceDefaults): LoadedService {
  const map = readMap(top, SERVICE_KEYS, 'a policy');
  const own = readShared(map);
  const service = readText(requireKey(map, 'service', 'the policy'), NAME, '`service`', NAME_RULE);
  const kpHsId = readAddress(requireKey(map, 'address', 'the policy'));
  const { backends, places } = readBackends(requireKey(map, 'backends', 'the policy'));
  const publishers = own.publishers ?? defaults.publishers;
  if (publishers === undefined) {
    throw errorAt('MISSING_KEY', map, 'add `publishers: [NAME]` here or in _defaults.yaml');
  }
  const limits = { ...DEFAULT_LIMITS, ...defaults.limits, ...own.limits };
  const enabled = own.enabled ?? defaults.enabled ?? true;
  if (enabled) checkReachable(limits, backends.filter(backend => backend.enabled).length, map);
  const clients = map.entries.get('clients');
  const policy: ServicePolicy = Object.freeze({
    service,
    address: formatOnionAddress(kpHsId),
    kpHsId,
    enabled,
    singleOnion: own.singleOnion ?? defaults.singleOnion ?? false,
    publishers,
    backends,
    limits: Object.freeze(limits),
    clients: clients === undefined ? Object.freeze([]) : readClients(clients),
    caa: own.caa ?? defaults.caa ?? Object.freeze([]),
    caaCritical: own.caaCritical ?? defaults.caaCritical ?? false,
  });
  checkRoom(policy, map);
  return { policy, top: map, backendPlaces: places };
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
  const { entries } = readMap(node, ['address', 'enabled'], 'a backend');
  const kpHsId = readAddress(requireKey(node, 'address', 'the backend'));
  const enabled = entries.get('enabled');
  return Object.freeze({
    name,
    address: formatOnionAddress(kpHsId),
    kpHsId,
    enabled: enabled === undefined || readBoolean(enabled, '`enabled`'),
  });
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
  const place = map.entries.get('limits') ?? map;
  if (limits.minBackends > backends) {
    const message = 'enable at least `min_backends` backends, lower it, or write `enabled: false`';
    throw errorAt('BAD_VALUE', place, message);
  }
  if (limits.minBackends > limits.maxPoints) {
    throw errorAt('BAD_VALUE', place, 'let `points` allow one point for each of `min_backends`');
  }
  if (limits.maxPointsPerBackend * backends < limits.minPoints) {
    throw errorAt('BAD_VALUE', place, 'let `points_per_backend` of all backends reach the least of `points`');
  }
}

/** What does not fit into a descriptor would be refused only after its second was spent. */
function checkRoom({ clients, caa, limits }: ServicePolicy, map: YamlMap): void {
  const room = roomForPoints(clients.length, caa);
  if (limits.maxPoints <= room) return;
  const place = map.entries.get('limits') ?? map.entries.get('clients') ?? map;
  const message = `let \`points\` of \`limits\` end at ${room}: a descriptor has no room for more beside its clients`;
  throw errorAt('BAD_VALUE', place, message);
}
