import { readAnyMap, readMap, readScalar, requireKey } from '../program/read-yaml.ts';
import { errorAt, type YamlMap } from '../program/strict-yaml.ts';
import {
  type Layer,
  type LoadedService,
  MEMBER_KEYS,
  readAlias,
  readLayer,
  readMember,
  SHARED_KEYS,
} from './read-service.ts';

export const SERVICE_KEYS = ['service', ...MEMBER_KEYS] as const;
export const GROUP_KEYS = ['services', ...SHARED_KEYS] as const;
/** Of one signer, in all files together. */
export const MAX_SERVICES = 1_000;

/**
 * Reads one policy file over `_defaults.yaml`: a service (`service: NAME`), or a group of services that share what stands
 * beside `services: { NAME: … }`. SignerError UNKNOWN_KEY, MISSING_KEY, BAD_VALUE.
 */
export function readPolicyFile(top: YamlMap, defaults: Layer | undefined): LoadedService[] {
  const beneath = defaults === undefined ? [] : [defaults];
  const group = top.entries.get('services');
  if (group === undefined) return [readService(top, beneath)];
  if (top.entries.has('service')) {
    throw errorAt('BAD_VALUE', group, 'write `service` for one service or `services` for a group, not both');
  }
  const shared = readLayer('group', readMap(top, GROUP_KEYS, 'a group'));
  const members = readAnyMap(group, '`services`');
  if (members.entries.size === 0 || members.entries.size > MAX_SERVICES) {
    throw errorAt('BAD_VALUE', members, `name 1 to ${MAX_SERVICES} services`);
  }
  return [...members.entries].map(([name, node]) => {
    const alias = readAlias(name, members.keys.get(name) ?? members);
    const what = 'a service of a group';
    return readMember(readMap(node, MEMBER_KEYS, what), alias, [shared, ...beneath]);
  });
}

function readService(top: YamlMap, beneath: readonly Layer[]): LoadedService {
  // `services` is known for the sake of whoever mistyped it.
  const map = readMap(top, [...SERVICE_KEYS, 'services'], 'a policy');
  const node = requireKey(map, 'service', 'the policy');
  return readMember(map, readAlias(readScalar(node, '`service`').text, node), beneath);
}
