import { errorAt, type Place } from '../program/strict-yaml.ts';
import type { LoadedService } from './read-service.ts';
import { barredAddresses, type RetiredBackend } from './retired.ts';
import type { BackendPolicy } from './types.ts';

/**
 * What only the whole set shows: no alias and no address twice (POLICY_DUPLICATE), no backend that is an
 * identity of this signer, `held` or in a policy (BACKEND-NOT-OURS: its signed output would become evidence, for
 * ever), none that was retired (BACKEND-RETIRED), no backend in two services (BACKEND-EXCLUSIVE).
 */
export function checkPolicy(
  loaded: readonly LoadedService[],
  { held, retired }: { readonly held: ReadonlySet<string>; readonly retired: readonly RetiredBackend[] },
): void {
  const [alias, address] = ['give each service a name of its own', 'write one policy per address'];
  refuseTwice(
    loaded,
    ({ policy }) => policy.service,
    service => service.alias,
    alias,
  );
  refuseTwice(
    loaded,
    ({ policy }) => policy.address,
    ({ top }) => top.entries.get('address') ?? top,
    address,
  );
  const ours = new Set([...held, ...loaded.map(({ policy }) => policy.address)]);
  const barred = barredAddresses(retired);
  for (const { service, backend } of allBackends(loaded)) {
    if (barred.has(backend.address)) {
      const message = 'give this backend a new key and address: the old one was retired';
      throw errorAt('BACKEND-RETIRED', placeOf(service, backend), message);
    }
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
  place: (service: LoadedService) => Place,
  message: string,
): void {
  const seen = new Set<string>();
  for (const service of loaded) {
    const key = keyOf(service);
    if (seen.has(key)) throw errorAt('POLICY_DUPLICATE', place(service), message);
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
