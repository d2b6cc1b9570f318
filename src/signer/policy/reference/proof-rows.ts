import type { RuleRow } from './row.ts';

const EVALUATE = 'test/signer/policy/evaluate.test.ts';
const INVARIANTS = 'test/descriptor/invariants.test.ts';
const KEYHOLDER = 'test/pkcs11/keyholder.test.ts';
const LIMITS = 'test/pkcs11/keyholder-limits.test.ts';
const CLOCK = 'test/signer/clock-diagnosis.test.ts';

/** What a text may hold, and when: no policy changes any of these. */
export const PROOF_ROWS: readonly RuleRow[] = [
  {
    id: 'INTRO-PROVENANCE',
    enforcers: ['core', 'keyholder'],
    paragraph:
      'Every introduction point is taken whole from a descriptor that an enabled backend of this service signed for a ' +
      'published period. Nothing else can place a point in front of clients.',
    advice: 'send the descriptor of a backend that policy names, whole and as it was fetched',
    functions: [
      'src/descriptor/invariants.ts#checkIntroProvenance',
      'src/descriptor/evidence.ts#proveEvidence',
    ],
    accepts: {
      file: KEYHOLDER,
      title: 'opens as a client opens it, with two implementations, and has the points of the evidence',
    },
    refuses: { file: KEYHOLDER, title: 'refuses the descriptor of a stranger, and does not remember it' },
  },
  {
    id: 'POINT-UNIQUE',
    enforcers: ['core', 'keyholder'],
    paragraph: 'No introduction point and no auth key stands twice in one descriptor.',
    advice: 'name each point once',
    functions: ['src/descriptor/invariants.ts#checkPointUnique'],
    accepts: { file: INVARIANTS, title: 'different points are let through, the same point twice is denied' },
    refuses: { file: LIMITS, title: 'counts each auth key once' },
  },
  {
    id: 'EVIDENCE-AGE',
    enforcers: ['core', 'keyholder'],
    paragraph:
      "Certificate and revision counter of a backend's descriptor each say when it was made. Both must overlap the last " +
      'three hours and the next five minutes at the moment of signing, the expiry lies at most 55 h ahead, no ' +
      'certificate has expired, and its period is published. It bounds replay, and no moved clock finds valid evidence. ' +
      'What is from the future leaves no mark.',
    advice: 'fetch the descriptor of the backend again; when it stays old, the backend no longer publishes',
    functions: [
      'src/descriptor/invariants.ts#checkEvidenceAge',
      'src/descriptor/invariants.ts#checkEvidencePeriod',
      'src/descriptor/evidence.ts#evidenceAgeFault',
    ],
    accepts: { file: 'test/descriptor/evidence.test.ts', title: 'at the time of making nothing is wrong' },
    refuses: {
      file: KEYHOLDER,
      title: 'refuses evidence from the future by counter or expiry, and remembers none of it',
    },
  },
  {
    id: 'CLOCK-BEHIND',
    enforcers: ['core'],
    paragraph:
      'Every enabled backend sent a descriptor, and all of them are from the future: the clock of the signer is behind. ' +
      'Nothing is signed, as by EVIDENCE-AGE; this rule only says why.',
    advice: "set the clock of the signer's host, never through the publisher",
    functions: ['src/signer/clock-diagnosis.ts#diagnoseClock'],
    accepts: { file: CLOCK, title: 'a clock within the limits is not blamed' },
    refuses: { file: CLOCK, title: 'a clock that is off by %i s is told which way' },
  },
  {
    id: 'CLOCK-AHEAD',
    enforcers: ['core'],
    paragraph:
      'Every enabled backend, two at least, sent a descriptor, and all of them are too old: the clock of the signer is ' +
      'ahead, or what was sent is old. Nothing is signed, as by EVIDENCE-AGE; this rule only says why.',
    advice: 'compare the clocks of signer and backends; when they agree, fetch the descriptors again',
    functions: ['src/signer/clock-diagnosis.ts#diagnoseClock'],
    accepts: { file: CLOCK, title: 'one old descriptor alone says nothing of the clock' },
    refuses: { file: CLOCK, title: 'a clock that is off by %i s is told which way' },
  },
  {
    id: 'PERIOD-WINDOW',
    enforcers: ['core', 'keyholder'],
    paragraph: 'A descriptor is signed only for seconds at which its time period is published.',
    advice: 'compare the clocks; the signer alone chooses periods and seconds',
    functions: ['src/descriptor/invariants.ts#checkPeriodWindow'],
    accepts: {
      file: EVALUATE,
      title: "allows every second of the period's window and denies the neighbours",
    },
    refuses: { file: LIMITS, title: 'PERIOD-WINDOW: a second lies in the window of its period' },
  },
  {
    id: 'RUNWAY',
    enforcers: ['keyholder'],
    paragraph:
      'Nothing is signed for a second that is over (two seconds aside), or that lies beyond `runway` of signer.yaml ' +
      '(24 h at most): what a thief can take ahead is as long as the shelf.',
    advice: 'lengthen `runway` in signer.yaml if the shelf must last longer, and run `policy apply`',
    functions: ['src/descriptor/invariants.ts#checkRunway'],
    accepts: { file: INVARIANTS, title: 'second %i may be signed for' },
    refuses: {
      file: LIMITS,
      title: 'RUNWAY: a second lies at most two behind the clock and at most the runway ahead',
    },
  },
  {
    id: 'HORIZON',
    enforcers: ['keyholder'],
    paragraph:
      'No key is certified or used for a period that is over, or that begins beyond `ahead` of signer.yaml (7 days at ' +
      'most): certificates are what a minute on the signer is worth.',
    advice: 'compare the clocks; `ahead` of signer.yaml says how far keys are certified',
    functions: ['src/descriptor/invariants.ts#checkHorizon'],
    accepts: { file: INVARIANTS, title: 'at %i the period may be certified' },
    refuses: {
      file: LIMITS,
      title: 'HORIZON: no period beyond `ahead`, none that is over, and none that cannot be',
    },
  },
  {
    id: 'ONE-PER-SECOND',
    enforcers: ['core', 'keyholder'],
    paragraph: 'Each second of a blinded key and variant is spent once, so that no revision counter repeats.',
    advice: 'ask again in the next second',
    functions: ['src/descriptor/invariants.ts#checkOnePerSecond'],
    accepts: { file: INVARIANTS, title: 'a fresh second is let through, a spent one is denied' },
    refuses: {
      file: LIMITS,
      title: 'ONE-PER-SECOND: a second is spent once for each key, also within one order',
    },
  },
  {
    id: 'VARIANT',
    enforcers: ['keyholder'],
    paragraph: 'There is one variant, because the counter depends on the second alone.',
    advice: 'ask for variant 0',
    functions: ['src/descriptor/invariants.ts#checkVariant'],
    accepts: { file: INVARIANTS, title: 'VARIANT: there is one' },
    refuses: { file: LIMITS, title: 'VARIANT: there is one, because its counter would be the same' },
  },
  {
    id: 'COUNTER-CEILING',
    enforcers: ['core', 'keyholder'],
    paragraph:
      'No revision counter is beyond those of the publication window of its period, so that what was signed can always ' +
      'be followed by something newer. No field of a request or an order is a counter.',
    advice: 'keep the journal, stop the signer and report this',
    functions: ['src/descriptor/invariants.ts#checkCounterCeiling'],
    accepts: {
      file: INVARIANTS,
      title: 'every counter of the window is below it, with room for five deviations',
    },
    refuses: { file: INVARIANTS, title: 'what would lock the period is beyond it' },
  },
];
