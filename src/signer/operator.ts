import { type NetworkProfile, timePeriod, toHex } from '../descriptor/index.ts';
import type { BlindedKeys } from './blinded-keys.ts';
import { SignerError } from './contract/problems.ts';
import { NAME_PATTERN } from './contract/name.ts';
import type { Exposed } from './journal/exposure.ts';
import type { Journal } from './journal/journal.ts';
import { findService, type Policy } from './policy/types.ts';
import type { CustodyStatus, Keyholder } from './ports.ts';

/** What an operator orders. */
export type OperatorOrder =
  | { readonly kind: 'evicted' | 'readmitted'; readonly publisher: string }
  | { readonly kind: 'frozen' | 'thawed'; readonly service: string }
  | { readonly kind: 'fenced'; readonly service: string };

/** What an operator's measures work with: those of the running daemon, or of a stopped signer. */
export interface OperatorContext {
  readonly journal: Journal;
  readonly keyholder: Keyholder;
  readonly policy: () => Policy;
  readonly profile: NetworkProfile;
  readonly blindedKeys: BlindedKeys;
  /** Unix seconds. */
  readonly now: () => number;
}

/** What somebody may still hold of one service; without times when nothing was released. */
export type ServiceExposure = { readonly service: string } & Partial<Exposed>;

export interface MeasureReport {
  /** False: it held already. */
  readonly changed: boolean;
  /** Whether the keyholder has it too; if not, the daemon tries again and status says so. */
  readonly settled: boolean;
  /** Of an evicted publisher's services what it may hold; of a service what all may. */
  readonly services: readonly ServiceExposure[];
}

/**
 * Takes one measure: durably in the journal first, from when on nothing leaves against it, then in the keyholder. A fence that
 * the keyholder does not raise at once stays ordered, over restarts too, and until it is raised nothing is signed.
 * Repeatable. SignerError BAD_VALUE for a name that nobody has, JOURNAL_*.
 */
export async function takeMeasure(context: OperatorContext, order: OperatorOrder): Promise<MeasureReport> {
  const { journal } = context;
  checkKnown(context, order);
  const services = servicesOf(context, order);
  const changed = await record(context, order, services);
  const reached = await settleQuietly(context);
  const publisher = 'publisher' in order ? order.publisher : undefined;
  return {
    changed,
    settled: reached && services.every(service => !isOwed(context, service)),
    services: services.map(service => ({ service, ...journal.exposure.of(service, publisher) })),
  };
}

/** An eviction with the fences of all that the publisher may hold. A fence that is ordered already is not ordered twice. */
async function record(
  { journal: { measures }, now }: OperatorContext,
  order: OperatorOrder,
  services: readonly string[],
): Promise<boolean> {
  const fences = services.map(service => ({ kind: 'fencing', service }) as const);
  if (order.kind === 'evicted') return await measures.recordWith(order, fences, now());
  if (order.kind !== 'fenced') return await measures.record(order, now());
  await measures.record({ kind: 'fencing', service: order.service }, now());
  return true;
}

/** A service that policy no longer has is fenced when it comes back. */
const isOwed = ({ journal, policy }: OperatorContext, service: string): boolean =>
  journal.measures.inForce.isFencing(service) && findService(policy(), service) !== undefined;

/** SignerError REQUEST_SCHEMA. */
export function parseOrder(kind: string, name: string): OperatorOrder {
  if (!new RegExp(NAME_PATTERN).test(name)) throw new SignerError('REQUEST_SCHEMA', 'this is no name');
  switch (kind) {
    case 'evicted':
    case 'readmitted':
      return { kind, publisher: name };
    case 'frozen':
    case 'thawed':
      return { kind, service: name };
    case 'fenced':
      return { kind, service: name };
    default:
      throw new SignerError('REQUEST_SCHEMA', 'there is no such measure');
  }
}

/**
 * Brings the two in step: the keyholder freezes what the journal says and raises the fences that it orders; the journal
 * writes down the keyholder's fences. SignerError KEYHOLDER_*, JOURNAL_*.
 */
export async function settleMeasures(context: OperatorContext): Promise<void> {
  const { journal, keyholder, policy } = context;
  // Alias → the order that was answered: a newer one needs a fence of its own.
  const raised = new Map<string, number>();
  for (const { alias, frozen } of (await keyholder.status()).services) {
    const { inForce } = journal.measures;
    const service = findService(policy(), alias);
    if (service === undefined) continue;
    if (frozen !== inForce.isFrozen(alias)) await keyholder.freeze(service.kpHsId, inForce.isFrozen(alias));
    if (!inForce.isFencing(alias)) continue;
    const order = inForce.fencedAt(alias);
    await keyholder.fence(service.kpHsId);
    raised.set(alias, order);
  }
  for (const custody of (await keyholder.status()).services) await noteFences(context, custody, raised);
}

/** Writes down what is new, and of a fence that was raised for an order that it was, whatever it fenced. */
async function noteFences(
  { journal, policy, profile, blindedKeys, now }: OperatorContext,
  { alias, fences }: CustodyStatus,
  raised: ReadonlyMap<string, number>,
): Promise<void> {
  const service = findService(policy(), alias);
  if (service === undefined || (fences.length === 0 && !raised.has(alias))) return;
  const floors = fences.map(({ periodNum, floor, lead }) => ({
    kpHsBlindId: toHex(blindedKeys.of(service.kpHsId, timePeriod(profile, periodNum))),
    floor,
    lead,
  }));
  const measure = { kind: 'fenced', service: alias, floors } as const;
  const { inForce } = journal.measures;
  // Fences of before the order are no answer to it.
  if (inForce.isFencing(alias) && raised.get(alias) !== inForce.fencedAt(alias)) return;
  if (inForce.follows(measure)) await journal.measures.record(measure, now());
}

/** A measure must not fail for a keyholder that is away: the core holds it by itself. */
async function settleQuietly(context: OperatorContext): Promise<boolean> {
  try {
    await settleMeasures(context);
    return true;
  } catch (error) {
    if (error instanceof SignerError) return false;
    throw error;
  }
}

function servicesOf({ journal, policy }: OperatorContext, measure: OperatorOrder): string[] {
  if ('service' in measure) return [measure.service];
  const { publisher } = measure;
  const allowed = policy().services.filter(({ publishers }) => publishers.includes(publisher));
  return [
    ...new Set([...allowed.map(({ service }) => service), ...journal.exposure.servicesOf(publisher)]),
  ].sort();
}

/** A name that was mistyped would let the attacker in for as long as nobody looks again. */
function checkKnown(context: OperatorContext, measure: OperatorOrder): void {
  if ('service' in measure) {
    if (findService(context.policy(), measure.service) !== undefined) return;
    throw new SignerError('BAD_VALUE', 'name a service of the policy in force: see `onion-signer status`');
  }
  const isKnown = servicesOf(context, measure).length > 0;
  if (isKnown || context.journal.measures.inForce.isEvicted(measure.publisher)) return;
  throw new SignerError('BAD_VALUE', 'name a publisher of the policy in force');
}
