// Builds a descriptor from fields, signs it, and opens it as a client would before anybody sees it.

import {
  type Bytes,
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
import { refuse } from './denial.ts';
import { CustodyError } from './error.ts';
import type { ChosenPoints } from './evidence-store.ts';
import type { SignedDescriptor } from './keyholder-messages.ts';
import { fillRandom, wipeBytes } from './locked-memory.ts';
import type { PlannedTarget } from './sign-plan.ts';

const SALT_BYTES = 16;
const NTOR = 2;

/** What is built: for whom and with which points. */
export interface DescriptorFields {
  readonly kpHsId: KpHsId;
  readonly singleOnion: boolean;
  readonly chosen: ChosenPoints;
}

/** Opens a text as a client does and throws when it is not what was to be built. */
export type CheckResult = (text: Bytes, plan: PlannedTarget, fields: DescriptorFields) => void;

/**
 * Builds and signs one descriptor. The plan's second must be spent before.
 * @throws CustodyError KEYHOLDER_REFUSED (DESCRIPTOR-SIZE), KEYHOLDER_LATCHED when the result does not open: the text
 *   is wiped and the caller signs nothing more for this service
 */
export function buildDescriptor(
  plan: PlannedTarget,
  fields: DescriptorFields,
  checkResult: CheckResult,
): SignedDescriptor {
  const { key, target } = plan;
  const revisionCounter = key.revisionCounterAt(target.second);
  const signable = assemble(plan, fields, revisionCounter);
  const text = finishDescriptor(signable, key.signDescriptor(signable));
  try {
    checkResult(text, plan, fields);
  } catch (cause) {
    wipeBytes(text);
    throw new CustodyError('KEYHOLDER_LATCHED', undefined, { cause });
  }
  return { ...target, revisionCounter, text };
}

function assemble(
  { key, target, certificate }: PlannedTarget,
  { chosen, singleOnion }: DescriptorFields,
  revisionCounter: bigint,
): ReturnType<typeof assembleDescriptor> {
  const flowControl = commonFlowControl(chosen);
  try {
    return assembleDescriptor({
      kpHsBlindId: key.kpHsBlindId,
      subcredential: key.subcredential,
      descSigningKeyCert: certificate,
      revisionCounter,
      inner: {
        create2Formats: [NTOR],
        singleOnionService: singleOnion,
        ...(flowControl === undefined ? {} : { flowControl }),
        caa: [],
        introductionPoints: chosen.points.map(point => key.certifyPoint(point, target.second)),
      },
      middle: { ephemeralKey: key.ephemeralKey, authClients: key.authClients },
      salts: { inner: randomSalt(), middle: randomSalt() },
    });
  } catch (thrown) {
    if (!(thrown instanceof DescriptorError) || thrown.code !== 'TOO_LARGE') throw thrown;
    throw refuse('DESCRIPTOR-SIZE', 'larger than an HSDir takes', 'fewer points', thrown);
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

/**
 * The check of a running keyholder: libsodium signed, OpenSSL verifies everything, and @noble the first text of each
 * period. Certificates that verified before are not verified again.
 */
export function createResultCheck(): CheckResult {
  const verify = createCachingVerify();
  const seenByNoble = new WeakSet<object>();
  return (text, plan, fields) => {
    const { key, target } = plan;
    const options = { kpHsId: fields.kpHsId, periods: [key.period], nowSeconds: target.second };
    checkOpened(openDescriptor(text, { ...options, verify }), plan, fields);
    if (seenByNoble.has(key)) return;
    checkOpened(openDescriptorWithNoble(text, options), plan, fields);
    seenByNoble.add(key);
  };
}

function checkOpened(
  opened: OpenedDescriptor,
  { key, target }: PlannedTarget,
  fields: DescriptorFields,
): void {
  const points = opened.inner?.introductionPoints ?? [];
  const wanted = fields.chosen.points;
  const samePoints =
    points.length === wanted.length &&
    wanted.every((point, i) => {
      const other = points[i];
      return other !== undefined && samePoint(point, other);
    });
  const same =
    samePoints &&
    opened.outer.revisionCounter === key.revisionCounterAt(target.second) &&
    equalBytes(opened.kpHsDescSign, key.kpHsDescSign) &&
    opened.inner?.singleOnionService === fields.singleOnion;
  if (!same) throw new CustodyError('KEYHOLDER_FAULT');
}
