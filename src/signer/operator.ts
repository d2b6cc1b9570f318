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
 * Takes one measure: durably in the journal first, from when on nothing leaves against it, then in the keyholder.
 * Repeatable. SignerError BAD_VALUE for a name that nobody has, JOURNAL_*.
 */
export async function takeMeasure(context: OperatorContext, order: OperatorOrder): Promise<MeasureReport> {
  const { journal, now } = context;
  checkKnown(context, order);
  const services = servicesOf(context, order);
  const changed = order.kind === 'fenced' || (await journal.measures.record(order, now()));
  const fenced = order.kind === 'fenced' || order.kind === 'evicted' ? services : [];
  const settled = await settleQuietly(context, fenced);
  const publisher = 'publisher' in order ? order.publisher : undefined;
  return {
    changed,
    settled,
    services: services.map(service => ({ service, ...journal.exposure.of(service, publisher) })),
  };
}

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
 * Brings the two in step: the keyholder freezes what the journal says, the journal writes down the keyholder's fences, with
 * those of `fenced` services raised now. SignerError KEYHOLDER_*, JOURNAL_*.
 */
export async function settleMeasures(
  context: OperatorContext,
  fenced: readonly string[] = [],
): Promise<void> {
  const { journal, keyholder, policy } = context;
  for (const { alias, frozen } of (await keyholder.status()).services) {
    const isFrozen = journal.measures.inForce.isFrozen(alias);
    const service = findService(policy(), alias);
    if (service === undefined) continue;
    if (frozen !== isFrozen) await keyholder.freeze(service.kpHsId, isFrozen);
    if (fenced.includes(alias)) await keyholder.fence(service.kpHsId);
  }
  for (const custody of (await keyholder.status()).services) await noteFences(context, custody);
}

async function noteFences(
  { journal, policy, profile, blindedKeys, now }: OperatorContext,
  { alias, fences }: CustodyStatus,
): Promise<void> {
  const service = findService(policy(), alias);
  if (service === undefined || fences.length === 0) return;
  const floors = fences.map(({ periodNum, floor, lead }) => ({
    kpHsBlindId: toHex(blindedKeys.of(service.kpHsId, timePeriod(profile, periodNum))),
    floor,
    lead,
  }));
  const measure = { kind: 'fenced', service: alias, floors } as const;
  if (journal.measures.inForce.follows(measure)) await journal.measures.record(measure, now());
}

/** A measure must not fail for a keyholder that is away: the core holds it by itself. */
async function settleQuietly(context: OperatorContext, fenced: readonly string[]): Promise<boolean> {
  try {
    await settleMeasures(context, fenced);
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
