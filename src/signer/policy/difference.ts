import { accessChanges } from './access-difference.ts';
import { administratorChanges } from './administrators.ts';
import { ABSENT, change, type PolicyChange, PRESENT } from './policy-change.ts';
import { retiredChanges } from './retired.ts';
import { type BackendPolicy, DEFAULT_LIMITS, type Policy, type ServicePolicy } from './types.ts';

/**
 * What changes from `before` (undefined: no policy yet) to `after`: administrators, retired backends, then services in
 * alphabetical order. It holds
 * the addresses of backends, for the person at the console to compare: not for logs.
 */
export function difference(before: Policy | undefined, after: Policy): PolicyChange[] {
  const [old, young] = [byAlias(before?.services ?? []), byAlias(after.services)];
  const services = [...new Set([...old.keys(), ...young.keys()])].sort().flatMap(service => {
    const [from, to] = [old.get(service), young.get(service)];
    if (to === undefined) return [change(service, 'service', PRESENT, ABSENT, false)];
    if (from === undefined)
      return [change(service, 'service', ABSENT, PRESENT, true), ...details(service, to)];
    return serviceChanges(service, from, to);
  });
  return [
    ...administratorChanges(before?.administrators, after.administrators),
    ...retiredChanges(before?.retired ?? [], after.retired),
    ...services,
  ];
}

/** One line per change, loosenings marked `LOOSENS`; `no change` when there is none. Ends with a line feed. */
export function formatDifference(changes: readonly PolicyChange[]): string {
  if (changes.length === 0) return 'no change\n';
  return changes
    .map(({ service, what, from, to, loosens }) => {
      return `${loosens ? 'LOOSENS  ' : '         '}${service}  ${what}: ${from} → ${to}\n`;
    })
    .join('');
}

const byAlias = (services: readonly ServicePolicy[]): Map<string, ServicePolicy> =>
  new Map(services.map(service => [service.service, service]));

/** A new service in full: everything it may do is new. Of limits what is not the default. */
function details(service: string, policy: ServicePolicy): PolicyChange[] {
  return [
    change(service, 'address', ABSENT, policy.address, true),
    ...policy.publishers.map(publisher => change(service, `publisher ${publisher}`, ABSENT, PRESENT, true)),
    ...policy.backends.map(backend =>
      change(service, `backend ${backend.name}`, ABSENT, formatBackend(backend), backend.enabled),
    ),
    ...limitChanges(service, { limits: DEFAULT_LIMITS }, policy),
    ...flagChange(service, 'single_onion', false, policy.singleOnion),
    ...accessChanges(service, undefined, policy),
  ];
}

function serviceChanges(service: string, from: ServicePolicy, to: ServicePolicy): PolicyChange[] {
  const changes = [
    ...(from.address === to.address ? [] : [change(service, 'address', from.address, to.address, true)]),
    ...flagChange(service, 'enabled', from.enabled, to.enabled),
    ...flagChange(service, 'single_onion', from.singleOnion, to.singleOnion),
    ...publisherChanges(service, from.publishers, to.publishers),
    ...backendChanges(service, from.backends, to.backends),
    ...limitChanges(service, from, to),
    ...accessChanges(service, from, to),
  ];
  return changes;
}

function flagChange(service: string, what: string, from: boolean, to: boolean): PolicyChange[] {
  return from === to ? [] : [change(service, what, String(from), String(to), to)];
}

function publisherChanges(service: string, from: readonly string[], to: readonly string[]): PolicyChange[] {
  const gone = from.filter(name => !to.includes(name));
  const added = to.filter(name => !from.includes(name));
  return [
    ...gone.map(name => change(service, `publisher ${name}`, PRESENT, ABSENT, false)),
    ...added.map(name => change(service, `publisher ${name}`, ABSENT, PRESENT, true)),
  ];
}

function backendChanges(
  service: string,
  from: readonly BackendPolicy[],
  to: readonly BackendPolicy[],
): PolicyChange[] {
  const [old, young] = [from, to].map(list => new Map(list.map(backend => [backend.name, backend])));
  // What may prove points is the set of enabled addresses; a new name for one of them permits nothing new.
  const proving = new Set(from.filter(({ enabled }) => enabled).map(({ address }) => address));
  const names = [...new Set([...(old?.keys() ?? []), ...(young?.keys() ?? [])])].sort();
  return names.flatMap(name => {
    const [before, after] = [old?.get(name), young?.get(name)].map(b =>
      b === undefined ? ABSENT : formatBackend(b),
    );
    if (before === after) return [];
    const now = young?.get(name);
    const loosens = now !== undefined && now.enabled && !proving.has(now.address);
    return [change(service, `backend ${name}`, before ?? ABSENT, after ?? ABSENT, loosens)];
  });
}

const formatBackend = ({ address, enabled }: BackendPolicy): string =>
  enabled ? address : `${address} (disabled)`;

function limitChanges(
  service: string,
  { limits: from }: Pick<ServicePolicy, 'limits'>,
  { limits: to }: Pick<ServicePolicy, 'limits'>,
): PolicyChange[] {
  const rows: readonly [string, number, number, 'raising' | 'lowering'][] = [
    ['least points', from.minPoints, to.minPoints, 'lowering'],
    ['most points', from.maxPoints, to.maxPoints, 'raising'],
    ['min_backends', from.minBackends, to.minBackends, 'lowering'],
    ['points_per_backend', from.maxPointsPerBackend, to.maxPointsPerBackend, 'raising'],
    ['requests per hour', from.requestsPerHour, to.requestsPerHour, 'raising'],
    ['point sets per hour', from.pointSetsPerHour, to.pointSetsPerHour, 'raising'],
  ];
  return rows
    .filter(([, before, after]) => before !== after)
    .map(([what, before, after, loosening]) => {
      const loosens = loosening === 'raising' ? after > before : after < before;
      return change(service, what, String(before), String(after), loosens);
    });
}
