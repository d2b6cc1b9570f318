import { INVARIANTS } from '../../descriptor/index.ts';
import type { ServicePolicy } from './types.ts';

/** What a service's policy allows, a sentence each; none that needs the value of an `unknown` key. */
export function allowsOf(
  { enabled, publishers, backends, limits, ...access }: ServicePolicy,
  unknown: ReadonlySet<string> = new Set(),
): string[] {
  if (!enabled || unknown.has('enabled')) return [];
  const told = (keys: readonly string[], sentence: string): string[] =>
    keys.some(key => unknown.has(key)) ? [] : [sentence];
  const live = backends.filter(backend => backend.enabled).map(({ name }) => name);
  const { minPoints, maxPoints, minBackends, maxPointsPerBackend } = limits;
  const clients = access.clients.map(({ name }) => name);
  const each = publishers.length === 1 ? '' : 'each ';
  const who = `${live.join(', ')} published ${live.length === 1 ? 'itself' : 'themselves'}`;
  return [
    ...told(
      ['limits.requests'],
      `${publishers.join(', ')} may ask, ${each}${limits.requestsPerHour} times an hour`,
    ),
    ...told(['limits.points'], `descriptors of ${minPoints} to ${maxPoints} introduction points that ${who}`),
    ...told(
      ['limits.min_backends', 'limits.points_per_backend'],
      `points of ${minBackends} of these ${live.length} are enough, with at most ${maxPointsPerBackend} of one`,
    ),
    ...told(['limits.point_sets'], `${limits.pointSetsPerHour} different sets of points in an hour`),
    ...told(
      ['clients'],
      clients.length === 0
        ? 'whoever knows the address reads it'
        : `${clients.length === 1 ? 'only this client reads' : 'only these clients read'} it: ${clients.join(', ')}`,
    ),
    ...(access.singleOnion ? ['it says that it is a single onion service'] : []),
    ...(access.caa.length === 0 ? [] : ['it names the authorities that may certify it']),
  ];
}

/** What it refuses; `known` are the publishers of signer.yaml. */
export function refusesOf(
  { enabled, publishers, backends }: ServicePolicy,
  known: ReadonlySet<string>,
): string[] {
  const others = [...known].filter(name => !publishers.includes(name));
  const asleep = backends.filter(backend => !backend.enabled).map(({ name }) => name);
  return [
    ...(enabled ? [] : ['everything: it answers as if it did not exist']),
    ...(others.length === 0 ? [] : [`${others.join(', ')}: not named under \`publishers\``]),
    ...(asleep.length === 0 ? [] : [`points of ${asleep.join(', ')}: not enabled`]),
    'points of anybody else, and whatever is beyond the values below',
    `whatever breaks a rule that no policy changes: ${Object.values(INVARIANTS).join(', ')}`,
  ];
}

/**
 * A notice for each enabled service that one backend alone can serve although it has several: then whoever has the
 * publisher and that one backend's key reaches all clients. Each ends with a line feed.
 */
export function lonelyNotices(services: readonly ServicePolicy[]): string[] {
  return services
    .filter(({ enabled }) => enabled)
    .filter(({ limits }) => limits.minBackends === 1)
    .filter(({ backends }) => backends.filter(backend => backend.enabled).length > 1)
    .map(
      ({ service }) =>
        `${service}: notice: with \`min_backends: 1\` the publisher and the key of one backend reach all clients; ` +
        'write `min_backends: 2` unless one backend must be enough\n',
    );
}
