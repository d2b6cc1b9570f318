import { PointSets, sha256, toHex } from '../descriptor/index.ts';
import { type Denied, PROBLEMS, RULE_PROBLEMS, SignerError } from './contract/problems.ts';
import type { SignRequest } from './contract/requests.ts';
import { EvidenceStore } from './evidence-store.ts';
import {
  askCustody,
  contextOf,
  type JudgeCore,
  type Judged,
  judgeOrRecall,
  policyContext,
  type Recalled,
  signedLastHour,
} from './judge-request.ts';
import type { Custody } from './plan-targets.ts';
import { evaluateAll } from './policy/evaluate.ts';
import { findRule } from './policy/reference/index.ts';
import { checkEvidenceTime } from './policy/rules.ts';
import { findService, type Policy, type ServicePolicy } from './policy/types.ts';

/** Something that refuses a request: a rule with what it saw and its limit, or a code. */
export interface Finding {
  /** A rule, or a code of PROBLEMS. */
  readonly refusedBy: string;
  readonly title: string;
  readonly observed?: string;
  readonly limit?: string;
  /** Digest of the one descriptor that it is about, hex. */
  readonly evidence?: string;
  /** What to change. */
  readonly advice: string;
}

/** What would become of a request if it came now. */
export interface RequestExplanation {
  readonly kind: 'request';
  readonly publisher: string;
  readonly service: string;
  /** When this was judged, Unix seconds. */
  readonly at: number;
  readonly policySerial: number;
  readonly outcome: 'signed' | 'repeated' | 'refused';
  /** How many descriptors it would get. */
  readonly descriptors: number;
  /** The first is what the publisher would be told; the others would refuse too. */
  readonly findings: readonly Finding[];
  readonly notJudged: readonly string[];
}

/** Where the question is asked: of the running daemon, or of a stopped signer. */
export interface ExplainOptions {
  /** Why the signer as a whole signs nothing. */
  readonly halted?: SignerError | undefined;
  /** What nobody could judge here, beside what comes only with signing. */
  readonly notJudged?: readonly string[];
}

const WITH_SIGNING = [
  'the proof of the keyholder, which proves all evidence once more and counts by itself',
  'ONE-PER-SECOND and the share of the journal: decided when its seconds are reserved',
] as const;

/**
 * Judges a request as if it came now, by the same judge as requests, and by every rule beyond the first that refuses.
 * Nothing is spent, counted, remembered or written, and the keyholder is asked for its status alone. `publisher` may be left
 * out for a service that has one. SignerError REQUEST_SCHEMA for a service that has several.
 */
export async function explainRequest(
  core: JudgeCore,
  given: string | undefined,
  request: SignRequest,
  { halted, notJudged = [] }: ExplainOptions = {},
): Promise<RequestExplanation> {
  const publisher = given ?? publisherOf(core.policy(), request.service);
  const trial = trialOf(core, publisher, request.service);
  const gate = gateOf(trial, publisher, halted);
  const first = gate === undefined ? await attempt(() => judgeOrRecall(trial, publisher, request)) : gate;
  const [told] = first instanceof SignerError ? [ofError(first)] : findingsOf(first);
  const others = told === undefined ? [] : await everything(trial, publisher, request);
  const findings = told === undefined ? [] : [told, ...others.filter(each => !isSame(each, told))];
  const isNew = !(first instanceof SignerError) && first.kind === 'approved';
  return {
    kind: 'request',
    publisher,
    service: request.service,
    at: core.now(),
    policySerial: core.policySerial(),
    outcome: findings.length > 0 ? 'refused' : isNew ? 'signed' : 'repeated',
    descriptors: isNew ? first.approved.targets.length : 0,
    findings,
    notJudged: [...notJudged, ...(request.checkpoint === undefined ? [] : [ECHO]), ...WITH_SIGNING],
  };
}

/** The same judge over a copy of what it remembers; of the keyholder's proof only the age is repeated, by its own function. */
function trialOf(core: JudgeCore, publisher: string, service: string): JudgeCore {
  const { profile, blindedKeys } = core;
  // The books hold pairs that policy names, and no others.
  const isNamed = findService(core.policy(), service)?.publishers.includes(publisher) === true;
  const evidence = isNamed ? core.evidence.of(publisher).copy() : new EvidenceStore(profile, blindedKeys);
  const pointSets = isNamed ? core.pointSets.of(publisher, service) : new PointSets(profile);
  return {
    ...core,
    evidence: { of: () => evidence },
    pointSets: { of: () => pointSets },
    keyholder: {
      prove: async (_, text) => {
        const digest = toHex(sha256(text));
        const known = evidence.proven(service).get(digest);
        const refused = known && checkEvidenceTime(known.evidence, core.profile, core.now());
        return refused === undefined ? { digest } : { refused };
      },
      status: () => core.keyholder.status(),
    },
  };
}

const ECHO = 'the checkpoint in it: one that this journal does not contain stops the signer';

/** SignerError REQUEST_SCHEMA. */
function publisherOf(policy: Policy, alias: string): string {
  const { publishers = [] } = findService(policy, alias) ?? {};
  const [only = ''] = publishers;
  if (publishers.length < 2) return only;
  throw new SignerError('REQUEST_SCHEMA', `name the publisher: --publisher ${publishers.join(' or ')}`);
}

/** What the door says before anybody judges. */
function gateOf(
  { journal }: JudgeCore,
  publisher: string,
  halted: SignerError | undefined,
): SignerError | undefined {
  if (!journal.measures.inForce.isEvicted(publisher)) return halted ?? journal.stopped;
  return new SignerError(
    'PUBLISHER_UNKNOWN',
    'let the publisher in again: `readmit`, or ask for another one',
  );
}

function findingsOf(judged: Judged | Recalled): Finding[] {
  if (judged.kind === 'denied') return [ofDenied(judged.denied)];
  if (judged.kind === 'approved') return [];
  return ofRecalled(judged);
}

/** An id that was used before is answered again, or refused. */
function ofRecalled({ known }: Recalled): Finding[] {
  if (known.kind === 'replay') return [];
  if (known.kind === 'conflict') return [ofError(new SignerError(known.code, 'ask again a little later'))];
  return [
    ofError(new SignerError('REQUEST_ID_REUSED', 'use a fresh id for another request, and after an hour')),
  ];
}

/** All that refuses, whatever refused before it. */
async function everything(core: JudgeCore, publisher: string, request: SignRequest): Promise<Finding[]> {
  const { journal, latched } = core;
  const service = findService(core.policy(), request.service);
  if (service === undefined) return [];
  const now = core.now();
  const errors: SignerError[] = [];
  const note = async (act: () => unknown): Promise<void> => {
    const result = await attempt(act);
    if (result instanceof SignerError) errors.push(result);
  };
  await note(() => journal.measures.inForce.check(publisher, service.service));
  await note(() => journal.standing.checkFence([{ second: now }], now));
  if (latched.has(service.service)) errors.push(new SignerError('SERVICE_LATCHED', LATCHED));
  for (const text of new Set(request.evidence))
    await note(() => core.evidence.of(publisher).prove(service, Buffer.from(text, 'utf8'), now));
  const proven = core.evidence.of(publisher).proven(service.service);
  if (request.points.some(({ evidence }) => !proven.has(evidence)))
    errors.push(
      new SignerError('EVIDENCE_UNKNOWN', 'send the descriptors that all points refer to, as fetched'),
    );
  const custody = await askOrAssume(core, service, errors, now);
  if (custody.certifiedUntil <= now) errors.push(new SignerError('CUSTODY_UNAVAILABLE', NO_PERIOD));
  const asked = contextOf(publisher, request, signedLastHour(core, publisher, request));
  const denied = evaluateAll(
    core.policy(),
    policyContext(core, asked, [...proven.values()], { now, custody }),
  );
  return [...errors.map(ofError), ...denied.map(ofDenied)];
}

/** Without the keyholder's word the other rules are judged as if it could sign for now. */
async function askOrAssume(
  core: JudgeCore,
  service: ServicePolicy,
  errors: SignerError[],
  now: number,
): Promise<Custody> {
  const custody = await attempt(() => askCustody(core, service));
  if (!(custody instanceof SignerError)) return custody;
  errors.push(custody);
  return { certifiedUntil: now + 1, runwaySeconds: 0 };
}

const LATCHED = 'a result failed verification: keep the journal, read the log, start the signer again';
const NO_PERIOD = 'bring the token back; status says why it was not opened';

const ofError = ({ code, message, evidence }: SignerError): Finding => ({
  refusedBy: code,
  title: PROBLEMS[code].title,
  advice: message,
  ...(evidence === undefined ? {} : { evidence }),
});

const ofDenied = ({ rule, observed, limit, evidence }: Denied): Finding => ({
  refusedBy: rule,
  title: RULE_PROBLEMS[rule].title,
  observed,
  limit,
  advice: findRule(rule)?.advice ?? 'see docs/rules.md',
  ...(evidence === undefined ? {} : { evidence }),
});

/** Only descriptors fail one by one. */
const isSame = (one: Finding, other: Finding): boolean =>
  one.refusedBy === other.refusedBy &&
  (one.refusedBy !== 'EVIDENCE_INVALID' || one.evidence === other.evidence);

/** What `act` gives, or the SignerError that it ends with. */
async function attempt<T>(act: () => T | Promise<T>): Promise<T | SignerError> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
}
