// Whole descriptors, with both implementations. The input is one layer; all around it is encrypted and signed again,
// so that mutants reach what only a true key holder could write.

import {
  type Bytes,
  TOR_NETWORK,
  createCachingVerify,
  examineDescriptor,
  openCookie,
  openDescriptor,
  openDescriptorWithNoble,
  openWithBlindedKey,
  openWithSubcredential,
  proveEvidence,
  publishablePeriods,
  samePoint,
} from '../../../src/descriptor/index.ts';
import { encodeInnerLayer } from '../../../src/descriptor/inner-layer.ts';
import { padMiddle } from '../../../src/descriptor/layer-crypt.ts';
import { formatInspection } from '../../../src/publisher/inspect-text.ts';
import { inspectDescriptor } from '../../../src/publisher/inspect.ts';
import { formatOnionAddress } from '../../../src/descriptor/index.ts';
import { noise } from '../../descriptor/forge.ts';
import { CURVE_EDGES } from '../mutate-bytes.ts';
import type { Shape } from '../mutate.ts';
import { Resealer } from '../reseal.ts';
import { filesOf } from '../seeds.ts';
import { type Target, demand, demandEqual, verdictOf } from '../target.ts';

const TEXT: readonly Shape[] = ['lines', 'lines', 'objects', 'objects', 'bytes'];
const CLIENT = noise('fuzz client', 32);

const open = new Resealer({ label: 'fuzz open', points: 1 });
const restricted = new Resealer({ label: 'fuzz restricted', points: 1, clients: [CLIENT] });
const verify = createCachingVerify();

const TEXT_CODES = new Set([
  'BAD_UTF8',
  'BAD_SYNTAX',
  'BAD_BASE64',
  'MISSING_ITEM',
  'DUPLICATE_ITEM',
  'BAD_INTEGER',
]);

/** What evidence refuses besides an opening. */
const EVIDENCE_CODES = ['COOKIE_MISSING', 'POINT_COUNT', 'COUNTER_OUT_OF_RANGE', 'EVIDENCE_INCONSISTENT'];

/** Opens a text in every way that there is, and compares the verdicts; throws that of openDescriptor. */
function openEverywhere(text: Bytes, { forged }: Resealer): void {
  const { kpHsId, at, parts } = forged;
  const periods = publishablePeriods(TOR_NETWORK, at);
  const descriptorCookie = parts.descriptorCookie === undefined ? undefined : cookieIn(text, forged);
  const options = { kpHsId, periods, nowSeconds: at, descriptorCookie };
  const verdict = verdictOf('descriptor', () => openDescriptor(text, options));
  // Refusals of the shared readers of text are asked of the slow one now and then only.
  if (!('code' in verdict) || !TEXT_CODES.has(verdict.code) || text.length % 4 === 0) {
    const second = verdictOf('descriptor', () => openDescriptorWithNoble(text, options));
    demandEqual(second, verdict, 'both implementations give one verdict');
  }
  demandEqual(
    verdictOf('descriptor', () => openDescriptor(text, { ...options, verify })),
    verdict,
    'a remembering verifier changes nothing',
  );
  if ('taken' in verdict) {
    const { period: _, ...layers } = verdict.taken;
    demandEqual(
      openWithSubcredential(text, { ...options, ...parts }),
      layers,
      'the blinded key opens the same',
    );
    openWithBlindedKey(text, { nowSeconds: at });
  }
  checkEvidence(text, forged);
  if (text.length % 4 === 1) inspect(text, forged);
  if (text.length % 4 === 2) examine(text, forged);
  if ('code' in verdict) openDescriptor(text, options);
}

function cookieIn(
  text: Bytes,
  { kpHsId, at, parts }: Pick<Resealer['forged'], 'kpHsId' | 'at' | 'parts'>,
): Bytes | undefined {
  const bare = verdictOf('descriptor', () =>
    openDescriptor(text, { kpHsId, periods: publishablePeriods(TOR_NETWORK, at) }),
  );
  if (!('taken' in bare)) return undefined;
  return openCookie(CLIENT, bare.taken.middle, parts.subcredential);
}

function checkEvidence(text: Bytes, { kpHsId, at }: Resealer['forged']): void {
  const periods = publishablePeriods(TOR_NETWORK, at);
  const opened = verdictOf('descriptor', () => openDescriptor(text, { kpHsId, periods }));
  const evidence = verdictOf('descriptor', () =>
    proveEvidence(text, { backend: kpHsId, profile: TOR_NETWORK, periods }),
  );
  if ('code' in opened) {
    demandEqual(evidence, opened, 'evidence is refused as the descriptor is');
  } else if ('code' in evidence) {
    demand(EVIDENCE_CODES.includes(evidence.code), 'evidence refuses for its own reasons');
  } else {
    const points = opened.taken.inner?.introductionPoints ?? [];
    const same = evidence.taken.points.every(
      (point, i) => points[i] !== undefined && samePoint(point, points[i]),
    );
    demand(same && points.length === evidence.taken.points.length, 'evidence has the points of the text');
  }
}

/** An examination reads anything, and finds no fault exactly where a strict opening finds none. */
function examine(text: Bytes, { kpHsId, at, parts }: Resealer['forged']): void {
  const clientKey = parts.descriptorCookie === undefined ? undefined : CLIENT;
  const periods = publishablePeriods(TOR_NETWORK, at);
  const { faults, inner, points, outer } = examineDescriptor(text, {
    kpHsId,
    periods,
    nowSeconds: at,
    clientKey,
  });
  examineDescriptor(text);
  demandEqual(outer.text, text, 'the outer text is the input');
  const descriptorCookie = clientKey && cookieIn(text, { kpHsId, at, parts });
  const strict = verdictOf('descriptor', () =>
    openDescriptor(text, { kpHsId, periods, nowSeconds: at, descriptorCookie }),
  );
  const opened = 'taken' in strict ? strict.taken.inner : undefined;
  demand(
    (opened !== undefined) === (faults.length === 0 && inner?.parsed !== undefined),
    'no fault is found where a strict opening finds none, and nowhere else',
  );
  if (opened !== undefined)
    demand(points.length === opened.introductionPoints.length, 'every point is examined');
}

/** `inspect` decodes anything and shows nothing of the input as it was. */
function inspect(text: Bytes, { kpHsId, at }: Resealer['forged']): void {
  const report = inspectDescriptor(text, { address: formatOnionAddress(kpHsId), now: at });
  demand(/^[\n\x20-\x7e]*$/u.test(formatInspection(report)), 'inspect prints printable lines');
}

interface Layer {
  readonly name: string;
  readonly shapes: readonly Shape[];
  readonly of?: Resealer;
  readonly seeds: () => readonly Bytes[];
  /** The input in its place. */
  readonly text: (input: Bytes) => Bytes;
}

const opening = ({ name, shapes, of = open, seeds, text }: Layer): Target => ({
  name: `open/${name}`,
  area: 'descriptor',
  shapes,
  seeds,
  cost: 60,
  run: input => openEverywhere(text(input), of),
});

const corpus = (): Bytes[] => filesOf('corpus', /\.(?:desc|txt)$/u).filter((_, i) => i % 8 === 0);
const pointOf = (of: Resealer) => of.forged.inner.introductionPoints[0]!;

/** The inner layer with one point changed. */
function withPoint(change: Partial<ReturnType<typeof pointOf>>): Bytes {
  const point = { ...pointOf(open), ...change };
  const inner = encodeInnerLayer({ ...open.forged.inner, introductionPoints: [point] });
  return open.sign(open.outer(padMiddle(open.middle(inner))));
}

const examined = (name: string, of: Resealer): Target => ({
  name: `open/examined-${name}`,
  area: 'descriptor',
  codes: [],
  shapes: TEXT,
  seeds: () => [of.inner, padMiddle(of.middle()), of.outer(), of.sign(), ...corpus()],
  cost: 60,
  // The same bytes in each place where they could stand.
  run: input => {
    const middle = padMiddle(of.middle(input));
    for (const text of [input, of.sign(input), of.sign(of.outer(input)), of.sign(of.outer(middle))])
      examine(text, of.forged);
  },
});

export const DESCRIPTOR_OPEN: readonly Target[] = [
  examined('open', open),
  examined('restricted', restricted),
  opening({
    name: 'text',
    shapes: TEXT,
    seeds: () => [open.sign(), ...filesOf('vectors', /^arti-hsdesc\d/u), ...corpus()],
    text: input => input,
  }),
  opening({ name: 'outer', shapes: TEXT, seeds: () => [open.outer()], text: input => open.sign(input) }),
  opening({
    name: 'padded',
    shapes: TEXT,
    seeds: () => [padMiddle(open.middle())],
    text: input => open.sign(open.outer(input)),
  }),
  opening({
    name: 'middle',
    shapes: TEXT,
    seeds: () => [open.middle()],
    text: input => open.sign(open.outer(padMiddle(input))),
  }),
  opening({
    name: 'inner',
    shapes: TEXT,
    seeds: () => [open.inner, ...filesOf('vectors', /^arti-hsdesc-inner/u)],
    text: input => open.sign(open.outer(padMiddle(open.middle(input)))),
  }),
  opening({
    name: 'restricted-middle',
    shapes: TEXT,
    of: restricted,
    seeds: () => [restricted.middle()],
    text: input => restricted.sign(restricted.outer(padMiddle(input))),
  }),
  opening({
    name: 'restricted-inner',
    shapes: TEXT,
    of: restricted,
    seeds: () => [restricted.inner],
    text: input => restricted.sign(restricted.outer(padMiddle(restricted.middle(input)))),
  }),
  // Bodies of certificates, signed by the key of their place.
  opening({
    name: 'cert-08',
    shapes: ['cert', 'bytes'],
    seeds: () => [open.forged.parts.descSigningKeyCert.subarray(0, -64)],
    text: input => open.sign(open.outer(padMiddle(open.middle()), open.blindedCert(input))),
  }),
  opening({
    name: 'cert-09',
    shapes: ['cert', 'bytes'],
    seeds: () => [pointOf(open).authKeyCert.subarray(0, -64)],
    text: input => withPoint({ authKeyCert: open.pointCert(input) }),
  }),
  opening({
    name: 'cert-0b',
    shapes: ['cert', 'bytes'],
    seeds: () => [pointOf(open).encKeyCert.subarray(0, -64)],
    text: input => withPoint({ encKeyCert: open.pointCert(input) }),
  }),
  opening({
    name: 'link-specifiers',
    shapes: ['links', 'bytes'],
    seeds: () => [pointOf(open).linkSpecifiers],
    text: input => withPoint({ linkSpecifiers: input }),
  }),
  // A key as KP_hss_ntor, with the certificate that belongs to it wherever one can.
  opening({
    name: 'enc-key',
    shapes: ['bytes'],
    seeds: () => [pointOf(open).encKey, ...CURVE_EDGES],
    text: input => {
      const key = new Uint8Array(32);
      key.set(input.subarray(0, 32));
      const encKey = key as ReturnType<typeof pointOf>['encKey'];
      return withPoint({ encKey, encKeyCert: open.pointCert(open.certBody(11, edwardsOf(key))) });
    },
  }),
];

/** (u − 1)/(u + 1) of any bytes, without the checks of the library. */
function edwardsOf(key: Bytes): Bytes {
  const p = 2n ** 255n - 19n;
  const u = BigInt(`0x${Buffer.from(key.toReversed()).toString('hex')}`) % p;
  const power = (base: bigint, exponent: bigint): bigint => {
    let [result, square] = [1n, base];
    for (let rest = exponent; rest > 0n; rest >>= 1n) {
      if ((rest & 1n) === 1n) result = (result * square) % p;
      square = (square * square) % p;
    }
    return result;
  };
  const y = ((u + p - 1n) * power((u + 1n) % p, p - 2n)) % p;
  return new Uint8Array(Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse());
}
