import { errorAt, type Place } from '../program/strict-yaml.ts';
import type { LoadedService } from './read-service.ts';
import type { BackendPolicy } from './types.ts';

/**
 * What only the whole set shows: no alias and no address twice (POLICY_DUPLICATE), no backend that is an
 * identity of this signer, `held` or in a policy (BACKEND-NOT-OURS: its signed output would become evidence, for
 * ever), no backend in two services (BACKEND-EXCLUSIVE).
 */
export function checkPolicy(loaded: readonly LoadedService[], held: ReadonlySet<string>): void {
  refuseTwice(loaded, ({ policy }) => policy.service, 'service', 'give each service a name of its own');
  refuseTwice(loaded, ({ policy }) => policy.address, 'address', 'write one policy per address');
  const ours = new Set([...held, ...loaded.map(({ policy }) => policy.address)]);
  for (const { service, backend } of allBackends(loaded)) {
    if (ours.has(backend.address)) {
      const message = 'name the address of a backend, not one that this signer signs for';
      throw errorAt('BACKEND-NOT-OURS', placeOf(service, backend), message);
    }
  }
  refuseSharedBackends(loaded);
}

function refuseTwice(
  loaded: readonly LoadedService[],
  keyOf: (service: LoadedService) => string,
  yamlKey: string,
  message: string,
): void {
  const seen = new Set<string>();
  for (const service of loaded) {
    const key = keyOf(service);
    if (seen.has(key)) {
      throw errorAt('POLICY_DUPLICATE', service.top.entries.get(yamlKey) ?? service.top, message);
    }
    seen.add(key);
  }
}

function refuseSharedBackends(loaded: readonly LoadedService[]): void {
  const owners = new Map<string, LoadedService>();
  for (const { service, backend } of allBackends(loaded)) {
    const owner = owners.get(backend.address);
    owners.set(backend.address, service);
    if (owner === undefined || owner === service) continue;
    const message =
      'give each service backends of its own: equal introduction points show who belongs together';
    throw errorAt('BACKEND-EXCLUSIVE', placeOf(service, backend), message);
  }
}

function* allBackends(
  loaded: readonly LoadedService[],
): Generator<{ service: LoadedService; backend: BackendPolicy }> {
  for (const service of loaded) {
    for (const backend of service.policy.backends) yield { service, backend };
  }
}

const placeOf = (service: LoadedService, backend: BackendPolicy): Place =>
  service.backendPlaces.get(backend.name) ?? service.top;
