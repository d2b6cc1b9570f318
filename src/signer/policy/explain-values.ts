import { basename } from 'node:path';
import type { DroppedKey } from './collect-problems.ts';
import { formatCaa } from './read-access.ts';
import type { Layer } from './read-service.ts';
import { RULE_REFERENCE } from './reference/index.ts';
import type { ServicePolicy } from './types.ts';

/** One value as it holds. */
export interface ValueExplanation {
  /** As in the file: `limits.points`. */
  readonly key: string;
  readonly value: string;
  /** The map that set it; `file`: of a file that is about no service. */
  readonly from: Layer['kind'] | 'file' | 'built in';
  /** `FILE:LINE` of its key; undefined for what is built in. */
  readonly place: string | undefined;
  /** The rule whose limit it is. */
  readonly rule: string | undefined;
}

/** What a service, a group or `_defaults.yaml` has of values. */
export type SharedValues = Pick<
  ServicePolicy,
  'publishers' | 'enabled' | 'singleOnion' | 'limits' | 'caa' | 'caaCritical'
>;

/** Each key that can come from several places, as the file writes it. A test compares it with the reader's keys. */
export const SHARED_VALUES: Readonly<Record<string, (values: SharedValues) => string>> = {
  publishers: ({ publishers }) => (publishers.length === 0 ? 'none' : publishers.join(', ')),
  enabled: ({ enabled }) => String(enabled),
  'limits.points': ({ limits }) => `${limits.minPoints}..${limits.maxPoints}`,
  'limits.min_backends': ({ limits }) => String(limits.minBackends),
  'limits.points_per_backend': ({ limits }) => String(limits.maxPointsPerBackend),
  'limits.requests': ({ limits }) => `${limits.requestsPerHour}/h`,
  'limits.point_sets': ({ limits }) => `${limits.pointSetsPerHour}/h`,
  single_onion: ({ singleOnion }) => String(singleOnion),
  caa: ({ caa }) => (caa.length === 0 ? 'none' : caa.map(formatCaa).join(', ')),
  caa_critical: ({ caaCritical }) => String(caaCritical),
};

/** Every value that holds, with where it came from: the first of `layers` that sets it. */
export function explainValues(values: SharedValues, layers: readonly Layer[]): ValueExplanation[] {
  return Object.entries(SHARED_VALUES).map(([key, format]) => {
    const origin = originOf(key, layers);
    return {
      key,
      value: format(values),
      from: origin?.kind ?? 'built in',
      place: origin?.place,
      rule: RULE_REFERENCE.find(({ parameter }) => parameter === key)?.id,
    };
  });
}

/** Keys of a service whose values nobody can tell, because what the file has in their place is refused. */
export function unknownKeys(
  service: string,
  values: readonly ValueExplanation[],
  dropped: readonly DroppedKey[],
): ReadonlySet<string> {
  const keys = dropped
    .filter(({ member }) => member === undefined || member === service)
    .flatMap(({ key }) => [key, ...values.map(each => each.key).filter(each => each.startsWith(`${key}.`))]);
  // What the service sets itself stands above what its group was to set.
  const own = new Set(values.filter(({ from }) => from === 'service').map(({ key }) => key));
  return new Set(keys.filter(key => !own.has(key)));
}

function originOf(key: string, layers: readonly Layer[]): { kind: Layer['kind']; place: string } | undefined {
  const [head = '', tail] = key.split('.');
  for (const { kind, map } of layers) {
    const node = map.entries.get(head);
    const place =
      tail === undefined ? map.keys.get(head) : node?.kind === 'map' ? node.keys.get(tail) : undefined;
    if (place !== undefined) return { kind, place: `${basename(place.file)}:${place.line}` };
  }
  return undefined;
}
