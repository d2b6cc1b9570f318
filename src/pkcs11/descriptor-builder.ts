// Builds a descriptor from fields, signs it, and opens it as a client would before anybody sees it.

import {
  type AuthClientLine,
  type Bytes,
  type CaaRecord,
  type CertifiedIntroductionPoint,
  DescriptorError,
  type FlowControl,
  type KpHsId,
  type OpenedDescriptor,
  assembleDescriptor,
  createCachingVerify,
  equalBytes,
  finishDescriptor,
  openDescriptor,
  openDescriptorWithNoble,
  samePoint,
} from '../descriptor/index.ts';
import type { ClientAccess } from './client-access.ts';
import { refuse } from './denial.ts';
import { CustodyError } from './error.ts';
import type { ChosenPoints } from './evidence-store.ts';
import type { SignedDescriptor } from './keyholder-messages.ts';
import type { ListService } from './list.ts';
import type { ListAccess } from './list-access.ts';
import { fillRandom, wipeBytes } from './locked-memory.ts';
import type { PlannedTarget } from './sign-plan.ts';

const SALT_BYTES = 16;
const NTOR = 2;

/** What a text carries besides its points, by the list. */
export type TextSettings = Pick<ListService, 'singleOnion' | keyof ListAccess>;

/** What is built: for whom, what the list says of it, and with which points. */
export interface DescriptorFields {
  readonly kpHsId: KpHsId;
  readonly settings: TextSettings;
  readonly chosen: ChosenPoints;
}

/** Opens a text as a client does and throws when it is not what was to be built. */
export type CheckResult = (text: Bytes, plan: PlannedTarget, fields: DescriptorFields) => void;

/**
 * Builds and signs one descriptor. The plan's second must be spent before. The cookie of a restricted one goes along, so
 * that the core can look at what it approved: the caller wipes it.
 * @throws CustodyError KEYHOLDER_REFUSED (DESCRIPTOR-SIZE), CRYPTO, KEYHOLDER_LATCHED when the result does not open: the text
 *   is wiped and the caller signs nothing more for this service
 */
export async function buildDescriptor(
  plan: PlannedTarget,
  fields: DescriptorFields,
  checkResult: CheckResult,
): Promise<SignedDescriptor> {
  const { key, target, lead } = plan;
  const revisionCounter = key.revisionCounterAt(plan.spentSecond);
  const points = await key.certifyPoints(fields.chosen.points, target.second);
  const signable = assemble(plan, fields, revisionCounter, points);
  const text = finishDescriptor(signable, await key.signDescriptor(signable));
  try {
    checkResult(text, plan, fields);
  } catch (cause) {
    wipeBytes(text);
    // The key was given up meanwhile, which says nothing of the text.
    if (cause instanceof CustodyError && cause.code === 'SECRET_WIPED') throw cause;
    throw new CustodyError('KEYHOLDER_LATCHED', undefined, { cause });
  }
  const descriptorCookie = key
    .accessOf(fields.settings)
    .useCookie(cookie => cookie && Uint8Array.from(cookie));
  const { settingsSerial } = fields.settings;
  return { ...target, lead, revisionCounter, text, descriptorCookie, settingsSerial };
}

function assemble(
  { key, certificate }: PlannedTarget,
  { chosen, settings }: DescriptorFields,
  revisionCounter: bigint,
  introductionPoints: readonly CertifiedIntroductionPoint[],
): ReturnType<typeof assembleDescriptor> {
  const flowControl = commonFlowControl(chosen);
  const access = key.accessOf(settings);
  const { ephemeralKey, authClients } = access;
  const { singleOnion, caa, caaCritical } = settings;
  try {
    return access.useCookie(descriptorCookie =>
      assembleDescriptor({
        kpHsBlindId: key.kpHsBlindId,
        subcredential: key.subcredential,
        descSigningKeyCert: certificate,
        revisionCounter,
        inner: {
          create2Formats: [NTOR],
          singleOnionService: singleOnion,
          ...(flowControl === undefined ? {} : { flowControl }),
          caa,
          introductionPoints,
        },
        middle: { ephemeralKey, authClients, caaCritical },
        descriptorCookie,
        salts: { inner: randomSalt(), middle: randomSalt() },
      }),
    );
  } catch (thrown) {
    if (!(thrown instanceof DescriptorError) || thrown.code !== 'TOO_LARGE') throw thrown;
    throw refuse('DESCRIPTOR-SIZE', 'larger than an HSDir takes', 'fewer points or clients', thrown);
  }
}

/** `flow-control` when all evidence has the same line: a client that finds a wrong one refuses the whole descriptor. */
function commonFlowControl({ evidence }: ChosenPoints): FlowControl | undefined {
  const [first] = evidence;
  const line = first?.flowControl;
  const agree = evidence.every(
    ({ flowControl }) =>
      flowControl?.versions === line?.versions && flowControl?.sendmeInc === line?.sendmeInc,
  );
  return agree ? line : undefined;
}

function randomSalt(): Bytes {
  const salt = new Uint8Array(SALT_BYTES);
  fillRandom(salt);
  return salt;
}

/** What opens results: libsodium signed, so each of both is another implementation. */
export interface ResultOpeners {
  /** Every text. */
  readonly every: typeof openDescriptor;
  /** The first text of each period and set of clients. */
  readonly first: typeof openDescriptorWithNoble;
}

export const RESULT_OPENERS: ResultOpeners = { every: openDescriptor, first: openDescriptorWithNoble };

/** The check of a running keyholder. Certificates that verified before are not verified again with OpenSSL. */
export function createResultCheck({ every, first }: ResultOpeners = RESULT_OPENERS): CheckResult {
  const verify = createCachingVerify();
  const seenByNoble = new WeakSet<ClientAccess>();
  return (text, plan, fields) => {
    const { key, target } = plan;
    const access = key.accessOf(fields.settings);
    access.useCookie(descriptorCookie => {
      const options = {
        kpHsId: fields.kpHsId,
        periods: [key.period],
        nowSeconds: target.second,
        descriptorCookie,
      };
      checkOpened(every(text, { ...options, verify }), plan, fields);
      if (seenByNoble.has(access)) return;
      checkOpened(first(text, options), plan, fields);
      seenByNoble.add(access);
    });
  };
}

function checkOpened(
  { outer, middle, inner, kpHsDescSign }: OpenedDescriptor,
  { key, spentSecond }: PlannedTarget,
  fields: DescriptorFields,
): void {
  const points = inner?.introductionPoints ?? [];
  const { ephemeralKey, authClients } = key.accessOf(fields.settings);
  const same =
    inner?.singleOnionService === fields.settings.singleOnion &&
    isSameList(points, fields.chosen.points, samePoint) &&
    isSameList(inner.caa, fields.settings.caa, sameCaa) &&
    outer.revisionCounter === key.revisionCounterAt(spentSecond) &&
    equalBytes(kpHsDescSign, key.kpHsDescSign) &&
    equalBytes(middle.ephemeralKey, ephemeralKey) &&
    isSameList(middle.authClients, authClients, sameLine) &&
    middle.caaCritical === fields.settings.caaCritical;
  if (!same) throw new CustodyError('KEYHOLDER_FAULT');
}

function isSameList<A, B>(found: readonly A[], wanted: readonly B[], same: (a: A, b: B) => boolean): boolean {
  return (
    found.length === wanted.length &&
    found.every((each, i) => {
      const other = wanted[i];
      return other !== undefined && same(each, other);
    })
  );
}

const sameCaa = (a: CaaRecord, b: CaaRecord): boolean =>
  a.flags === b.flags && a.tag === b.tag && a.value === b.value;

const sameLine = (a: AuthClientLine, b: AuthClientLine): boolean =>
  equalBytes(a.clientId, b.clientId) &&
  equalBytes(a.iv, b.iv) &&
  equalBytes(a.encryptedCookie, b.encryptedCookie);

/** Once nobody needs to look into the texts any more. */
export function wipeCookies(signed: readonly SignedDescriptor[]): void {
  for (const { descriptorCookie } of signed) if (descriptorCookie !== undefined) wipeBytes(descriptorCookie);
}
