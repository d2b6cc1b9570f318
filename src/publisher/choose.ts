/** One introduction point that a live backend offers, with the place of its proof. */
export type AvailablePoint = {
  /** `pointKey` of the descriptor library: the whole tuple, hashed. */
  readonly key: string;
  /** KP_hs_ipt_sid, hex: no descriptor has one twice. */
  readonly authKey: string;
  /** Name of the backend in policy. */
  readonly backend: string;
  /** SHA-256 of the backend's descriptor, hex: the evidence that contains the point. */
  readonly evidence: string;
  /** Place of the point in that descriptor. */
  readonly index: number;
};

/** What the signer's policy allows, as `GET /v1/services` says. */
export type ChoiceLimits = {
  readonly minPoints: number;
  readonly maxPoints: number;
  readonly minBackends: number;
  /** Rule INTRO-SHARE, where the signer tells it: points of one backend at most. */
  readonly maxPointsPerBackend?: number | undefined;
};

export type Choice =
  | { readonly ok: true; readonly points: readonly AvailablePoint[] }
  | {
      readonly ok: false;
      readonly rule: 'MIN-BACKENDS' | 'POINT-COUNT';
      readonly observed: number;
      readonly limit: number;
    };

/** Uniform whole number from 0 to `below` − 1. */
export type Rng = (below: number) => number;

/**
 * Chooses the points of the next descriptor, in their order.
 *
 * Backends take turns, so each gets an equal share, none more than ⌈maxPoints / backends⌉. What was published before
 * (`previous`: keys in order) is preferred and keeps its order, so that a refresh without news changes nothing; new
 * points take random places, so that the order says nothing about which points share a backend. Same input and same
 * answers of `rng`, same result.
 */
export function choosePoints(
  available: readonly AvailablePoint[],
  previous: readonly string[],
  limits: ChoiceLimits,
  rng: Rng,
): Choice {
  const rank = new Map(previous.map((key, place) => [key, place]));
  const queues = queuesOf(available, rank, rng);
  if (queues.length < Math.max(1, limits.minBackends)) {
    return refused('MIN-BACKENDS', queues.length, Math.max(1, limits.minBackends));
  }
  const share = Math.min(
    Math.ceil(limits.maxPoints / queues.length),
    limits.maxPointsPerBackend ?? Number.POSITIVE_INFINITY,
  );
  const taken = takeTurns(queues, share, limits.maxPoints);
  if (taken.length < limits.minPoints) return refused('POINT-COUNT', taken.length, limits.minPoints);
  const backends = new Set(taken.map(point => point.backend)).size;
  if (backends < limits.minBackends) return refused('MIN-BACKENDS', backends, limits.minBackends);
  return { ok: true, points: inStableOrder(taken, rank, rng) };
}

function refused(rule: 'MIN-BACKENDS' | 'POINT-COUNT', observed: number, limit: number): Choice {
  return { ok: false, rule, observed, limit };
}

/** Per backend its points, known ones first; backends with most known points first, equals shuffled. */
function queuesOf(
  available: readonly AvailablePoint[],
  rank: ReadonlyMap<string, number>,
  rng: Rng,
): AvailablePoint[][] {
  const byBackend = Map.groupBy(withoutCopies(available, rank), point => point.backend);
  const placeOf = (point: AvailablePoint): number => rank.get(point.key) ?? Number.POSITIVE_INFINITY;
  const queues = [...byBackend.values()].map(points =>
    shuffled(points, rng).sort((a, b) => compareNumbers(placeOf(a), placeOf(b))),
  );
  const known = (queue: readonly AvailablePoint[]): number =>
    queue.filter(point => rank.has(point.key)).length;
  return shuffled(queues, rng).sort((a, b) => compareNumbers(known(b), known(a)));
}

/**
 * One point for each auth key: nobody proves to have its private half, so a backend can list what others list, and the
 * signer refuses a key that stands twice. What was published before stays. Else it goes to the backend that shares the
 * fewest keys with others, then to that with the fewest points: who copies from several has more of both.
 */
function withoutCopies(
  available: readonly AvailablePoint[],
  rank: ReadonlyMap<string, number>,
): AvailablePoint[] {
  const shared = countByBackend(sharedPoints(available));
  const listed = countByBackend(available);
  const compare = (a: AvailablePoint, b: AvailablePoint): number =>
    Number(rank.has(b.key)) - Number(rank.has(a.key)) ||
    compareNumbers(shared.get(a.backend) ?? 0, shared.get(b.backend) ?? 0) ||
    compareNumbers(listed.get(a.backend) ?? 0, listed.get(b.backend) ?? 0) ||
    comparePlaces(a, b);
  const byAuthKey = Map.groupBy([...available].sort(comparePlaces), point => point.authKey);
  return [...byAuthKey.values()].flatMap(points => points.toSorted(compare)[0] ?? []);
}

/** The points whose auth key stands with another backend too. */
function sharedPoints(available: readonly AvailablePoint[]): AvailablePoint[] {
  return [...Map.groupBy(available, point => point.authKey).values()].flatMap(points =>
    points.some(({ backend }) => backend !== points[0]?.backend) ? points : [],
  );
}

function countByBackend(points: readonly AvailablePoint[]): ReadonlyMap<string, number> {
  const groups = Map.groupBy(points, point => point.backend);
  return new Map([...groups].map(([backend, all]) => [backend, all.length]));
}

/** Names of backends that list an auth key of another, sorted: one of them copies. */
export function sharingBackends(available: readonly AvailablePoint[]): string[] {
  return [...countByBackend(sharedPoints(available)).keys()].sort();
}

function takeTurns(
  queues: readonly (readonly AvailablePoint[])[],
  share: number,
  maxPoints: number,
): AvailablePoint[] {
  const taken: AvailablePoint[] = [];
  for (let turn = 0; turn < share; turn++) {
    for (const queue of queues) {
      const point = queue[turn];
      if (point !== undefined && taken.length < maxPoints) taken.push(point);
    }
  }
  return taken;
}

function inStableOrder(
  taken: readonly AvailablePoint[],
  rank: ReadonlyMap<string, number>,
  rng: Rng,
): AvailablePoint[] {
  const kept = taken
    .filter(point => rank.has(point.key))
    .sort((a, b) => compareNumbers(rank.get(a.key) ?? 0, rank.get(b.key) ?? 0));
  for (const point of taken.filter(point => !rank.has(point.key)))
    kept.splice(rng(kept.length + 1), 0, point);
  return kept;
}

/** Fisher–Yates. */
function shuffled<T>(items: readonly T[], rng: Rng): T[] {
  const rest = [...items];
  const out: T[] = [];
  while (rest.length > 0) out.push(...rest.splice(rng(rest.length), 1));
  return out;
}

/** Before any choice the input is put into one order, so that the caller's order does not matter. */
function comparePlaces(a: AvailablePoint, b: AvailablePoint): number {
  if (a.backend !== b.backend) return a.backend < b.backend ? -1 : 1;
  return a.evidence === b.evidence ? a.index - b.index : a.evidence < b.evidence ? -1 : 1;
}

function compareNumbers(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
