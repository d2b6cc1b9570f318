import {
  DescriptorError,
  type KpHsId,
  type NetworkProfile,
  openDescriptor,
  parseOnionAddress,
  pointKey,
  publicationWindow,
  timePeriod,
} from '../descriptor/index.ts';
import type {
  ServiceDescription,
  SignAnswer,
  SignedDescriptor,
  SignRequest,
} from '../signer/contract/requests.ts';

/** Why an answer must not be used. Every one is an alarm: the signer is not the one we think, or broken. */
export type AnswerFault =
  | 'ANSWER_ID'
  | 'ANSWER_SERVICE'
  | 'ANSWER_ADDRESS'
  | 'ANSWER_SETTINGS'
  | 'ANSWER_PERIOD'
  | 'ANSWER_ORDER'
  | 'ANSWER_COUNTER'
  | 'ANSWER_POINTS'
  | 'ANSWER_DESCRIPTOR';

/** An answer whose every text was opened as a client would; `restricted`: its inner layer needs a client's key. */
export type VerifiedAnswer = {
  readonly descriptors: readonly SignedDescriptor[];
  readonly checkpoint: string;
  readonly settings: number;
  readonly restricted: boolean;
};

export type AnswerVerdict =
  | { readonly ok: true; readonly answer: VerifiedAnswer }
  | { readonly ok: false; readonly fault: AnswerFault; readonly cause?: string };

/** What the answer must fit: our request, the service as policy describes it, its network, the points asked for. */
export type Expectation = {
  readonly request: SignRequest;
  readonly description: ServiceDescription;
  readonly profile: NetworkProfile;
  /** `pointKey` of every point asked for. */
  readonly points: readonly string[];
  readonly now: number;
};

/**
 * Opens every text of an answer as a client would: address, period, certificates, signatures, and that its points are
 * exactly those that were asked for. One wrong text makes the whole answer wrong. In a restricted service's text the
 * points are hidden from us, which is its purpose; everything outside of them is verified.
 */
export function verifyAnswer(answer: SignAnswer, expectation: Expectation): AnswerVerdict {
  const { request, description } = expectation;
  if (answer.id !== request.id) return fault('ANSWER_ID');
  if (answer.service !== description.service) return fault('ANSWER_SERVICE');
  if (answer.address !== description.address) return fault('ANSWER_ADDRESS');
  // What was made before policy changed must not reach clients any more.
  if (answer.settings < description.settings) return fault('ANSWER_SETTINGS');
  if (!countersRise(answer.descriptors)) return fault('ANSWER_ORDER');
  const kpHsId = parseOnionAddress(description.address);
  let restricted = false;
  for (const descriptor of answer.descriptors) {
    const verdict = verifyText(descriptor, kpHsId, expectation);
    if (verdict.fault !== undefined) return fault(verdict.fault, verdict.cause);
    restricted ||= verdict.restricted;
  }
  const { descriptors, checkpoint, settings } = answer;
  return { ok: true, answer: { descriptors, checkpoint, settings, restricted } };
}

type TextVerdict =
  | { readonly fault: AnswerFault; readonly cause?: string }
  | { readonly fault?: undefined; readonly restricted: boolean };

const MAX_PERIOD_NUM = 2 ** 32 - 1;

function verifyText(
  signed: SignedDescriptor,
  kpHsId: KpHsId,
  { profile, points, now }: Expectation,
): TextVerdict {
  // Beyond it no period has a number: a hostile answer, not a defect of ours.
  if (signed.period.periodNum > MAX_PERIOD_NUM) return { fault: 'ANSWER_PERIOD' };
  const period = timePeriod(profile, signed.period.periodNum);
  if (
    period.lengthMinutes !== signed.period.lengthMinutes ||
    period.offsetSeconds !== signed.period.offsetSeconds
  ) {
    return { fault: 'ANSWER_PERIOD' };
  }
  const { from, to } = publicationWindow(profile, period);
  if (signed.useFrom < from || signed.useFrom >= to) return { fault: 'ANSWER_PERIOD' };
  try {
    const nowSeconds = Math.max(now, signed.useFrom);
    const opened = openDescriptor(Buffer.from(signed.text, 'utf8'), {
      kpHsId,
      periods: [period],
      nowSeconds,
    });
    if (opened.outer.revisionCounter !== BigInt(signed.revisionCounter)) return { fault: 'ANSWER_COUNTER' };
    if (opened.inner === undefined) return { restricted: true };
    const found = opened.inner.introductionPoints.map(point => pointKey(point));
    return samePoints(found, points) ? { restricted: false } : { fault: 'ANSWER_POINTS' };
  } catch (thrown) {
    if (!(thrown instanceof DescriptorError)) throw thrown;
    return { fault: 'ANSWER_DESCRIPTOR', cause: thrown.code };
  }
}

function samePoints(found: readonly string[], asked: readonly string[]): boolean {
  return found.length === asked.length && [...found].sort().join() === [...asked].sort().join();
}

/** Within one period and variant: distinct seconds, and the later text has the higher counter. */
function countersRise(descriptors: readonly SignedDescriptor[]): boolean {
  const byPlace = Map.groupBy(descriptors, ({ period, variant }) => `${period.periodNum}/${variant}`);
  return [...byPlace.values()].every(texts => {
    const sorted = texts.toSorted((a, b) => a.useFrom - b.useFrom);
    return sorted.every((text, place) => {
      const before = sorted[place - 1];
      if (before === undefined) return true;
      return before.useFrom < text.useFrom && BigInt(before.revisionCounter) < BigInt(text.revisionCounter);
    });
  });
}

function fault(code: AnswerFault, cause?: string): AnswerVerdict {
  return cause === undefined ? { ok: false, fault: code } : { ok: false, fault: code, cause };
}
