import { randomBytes } from 'node:crypto';
import {
  formatOnionAddress,
  type IntroductionPoint,
  type NetworkProfile,
  publishablePeriods,
  revisionCounterAt,
  sha256,
  srvRunStart,
  toHex,
} from '../../../src/descriptor/index.ts';
import type { SignRequest } from '../../../src/signer/contract/requests.ts';
import { type Forgery, forge, identity, noise } from '../../descriptor/forge.ts';

/** What a backend, which this test plays with an identity of its own, published. */
export interface BackendDescriptor {
  readonly text: string;
  /** SHA-256 of the text, as a reference names it. */
  readonly digest: string;
  readonly points: readonly IntroductionPoint[];
}

export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

/** The address of the backend `label`, 62 characters. */
export const backendAddress = (label: string): string => formatOnionAddress(identity(label).kpHsId);

/**
 * The descriptor that the backend `label` makes at `at` (Unix seconds) with certificate and counter of that moment,
 * in the period that is published longest from then on.
 */
export function backendDescriptor(
  profile: NetworkProfile,
  label: string,
  forgery: Forgery = {},
  at = nowSeconds(),
): BackendDescriptor {
  const period = forgery.period ?? publishablePeriods(profile, at).at(-1)!;
  const counter = revisionCounterAt(noise(`${label} K`, 32), at - srvRunStart(profile, period) + 1);
  const { text, inner } = forge({ label, period, at, counter, ...forgery });
  return {
    text: Buffer.from(text).toString('latin1'),
    digest: toHex(sha256(text)),
    points: inner.introductionPoints,
  };
}

export const newRequestId = (): string => randomBytes(12).toString('hex');

/** Points of descriptors by index, in this order. */
export const pointsOf = (...chosen: [BackendDescriptor, ...number[]][]): SignRequest['points'] =>
  chosen.flatMap(([{ digest }, ...indexes]) => indexes.map(index => ({ evidence: digest, index })));

/** A request with a fresh id and all of its evidence. */
export function signRequest(
  service: string,
  evidence: readonly BackendDescriptor[],
  points: SignRequest['points'],
): SignRequest {
  return { id: newRequestId(), service, points, evidence: evidence.map(({ text }) => text) };
}

/** A request that every rule allows: two points of one backend of `frontpage`, then one of the other. */
export function goodRequest(home: { readonly profile: NetworkProfile }): {
  request: SignRequest;
  points: IntroductionPoint[];
} {
  const [first, second] = [
    backendDescriptor(home.profile, 'box-1'),
    backendDescriptor(home.profile, 'box-2'),
  ];
  const request = signRequest('frontpage', [first, second], pointsOf([second, 2, 0], [first, 1]));
  return { request, points: [second.points[2]!, second.points[0]!, first.points[1]!] };
}
