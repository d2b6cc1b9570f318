import { Type, type Static } from 'typebox';
import { SignerError } from '../contract/problems.ts';
import { compileValidator } from '../contract/requests.ts';
import { parseStrictJson } from '../contract/strict-json.ts';
import { closed, digest, index, name, origin, printable, unixSeconds } from './entry-fields.ts';
import {
  EvictedSchema,
  FencedSchema,
  FencingSchema,
  FrozenSchema,
  type publisherMeasure,
  ReadmittedSchema,
  type serviceMeasure,
  ThawedSchema,
} from './measure-entries.ts';

/** Most seconds in one reservation: two periods, a shelf of 12 hours and room. */
export const MAX_SECONDS = 512;

/** One second of one blinded key and variant, spent by the reservation that holds it. */
const SecondSchema = Type.Object(
  { kpHsBlindId: digest(), variant: Type.Integer({ minimum: 0, maximum: 65_535 }), second: unixSeconds() },
  closed,
);

const GenesisSchema = Type.Object(
  {
    kind: Type.Literal('genesis'),
    at: unixSeconds(),
    version: Type.Literal(1),
    journal: Type.String({ pattern: '^[0-9a-f]{32}$' }),
    origin: origin(),
  },
  closed,
);

/** The daemon started, for this network: periods follow from its voting interval in seconds. */
const StartedSchema = Type.Object(
  {
    kind: Type.Literal('started'),
    at: unixSeconds(),
    version: printable(64),
    network: name(),
    votingInterval: Type.Integer({ minimum: 10, maximum: 3600 }),
  },
  closed,
);

/** With the archived proposal and signatures when administrators were in force, else null and none. */
const PolicySchema = Type.Object(
  {
    kind: Type.Literal('policy'),
    at: unixSeconds(),
    serial: index(),
    digest: digest(),
    proposal: Type.Union([digest(), Type.Null()]),
    signatures: Type.Array(Type.Object({ administrator: name(), digest: digest() }, closed), {
      maxItems: 16,
    }),
  },
  closed,
);

const ReservedSchema = Type.Object(
  {
    kind: Type.Literal('reserved'),
    at: unixSeconds(),
    publisher: name(),
    service: name(),
    request: Type.String({ pattern: '^[A-Za-z0-9_-]{16,64}$' }),
    digest: digest(),
    seconds: Type.Array(SecondSchema, { minItems: 1, maxItems: MAX_SECONDS }),
  },
  closed,
);

const ReleasedSchema = Type.Object(
  {
    kind: Type.Literal('released'),
    at: unixSeconds(),
    reserved: index(),
    texts: Type.Array(digest(), { minItems: 1, maxItems: MAX_SECONDS }),
    evidence: Type.Array(digest(), { maxItems: 64 }),
  },
  closed,
);

/** Refusals of one kind between `at` and `until`, counted. `service` is empty when the caller may not know it. */
const RefusedSchema = Type.Object(
  {
    kind: Type.Literal('refused'),
    at: unixSeconds(),
    until: unixSeconds(),
    publisher: name(),
    service: Type.Union([name(), Type.Literal('')]),
    rule: Type.String({ pattern: '^[A-Z][A-Z0-9_-]{0,63}$' }),
    count: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    observed: printable(256),
    limit: printable(256),
  },
  closed,
);

/** A checkpoint came back that this journal does not contain: nothing is signed until it is recovered. */
const HaltedSchema = Type.Object(
  {
    kind: Type.Literal('halted'),
    at: unixSeconds(),
    code: Type.Union([Type.Literal('CHECKPOINT_AHEAD'), Type.Literal('CHECKPOINT_FORK')]),
    size: index(),
    root: digest(),
  },
  closed,
);

/**
 * `init --recover`: heads are signed as `origin` from here on, and no second before `fence` is spent any more. `lost`
 * is the newest checkpoint of the history that was given up, as far as anybody showed one.
 */
const RecoveredSchema = Type.Object(
  {
    kind: Type.Literal('recovered'),
    at: unixSeconds(),
    origin: origin(),
    fence: unixSeconds(),
    lost: Type.Union([Type.Object({ size: index(), root: digest() }, closed), Type.Null()]),
  },
  closed,
);

/** The identity of a service vouches for the key that signs heads: a signed note, see contract/vouching.ts. */
const VouchedSchema = Type.Object(
  {
    kind: Type.Literal('vouched'),
    at: unixSeconds(),
    service: name(),
    note: Type.String({ maxLength: 1024, pattern: '^[\\n -~\u2014]+$' }),
  },
  closed,
);

const checkers = {
  genesis: compileValidator(GenesisSchema),
  started: compileValidator(StartedSchema),
  policy: compileValidator(PolicySchema),
  reserved: compileValidator(ReservedSchema),
  released: compileValidator(ReleasedSchema),
  refused: compileValidator(RefusedSchema),
  halted: compileValidator(HaltedSchema),
  recovered: compileValidator(RecoveredSchema),
  vouched: compileValidator(VouchedSchema),
  evicted: compileValidator(EvictedSchema),
  readmitted: compileValidator(ReadmittedSchema),
  frozen: compileValidator(FrozenSchema),
  thawed: compileValidator(ThawedSchema),
  fencing: compileValidator(FencingSchema),
  fenced: compileValidator(FencedSchema),
};

export type GenesisEntry = Static<typeof GenesisSchema>;
export type StartedEntry = Static<typeof StartedSchema>;
export type PolicyEntry = Static<typeof PolicySchema>;
export type ReservedEntry = Static<typeof ReservedSchema>;
export type ReleasedEntry = Static<typeof ReleasedSchema>;
export type RefusedEntry = Static<typeof RefusedSchema>;
export type HaltedEntry = Static<typeof HaltedSchema>;
export type RecoveredEntry = Static<typeof RecoveredSchema>;
export type VouchedEntry = Static<typeof VouchedSchema>;
export type FencedEntry = Static<typeof FencedSchema>;
/** What an operator decides at once, beside policy. */
export type MeasureEntry =
  | Static<ReturnType<typeof publisherMeasure<'evicted' | 'readmitted'>>>
  | Static<ReturnType<typeof serviceMeasure<'frozen' | 'thawed' | 'fencing'>>>
  | FencedEntry;
export type EntrySecond = Static<typeof SecondSchema>;

/** The closed set of what a journal says. */
export type Entry =
  | GenesisEntry
  | StartedEntry
  | PolicyEntry
  | ReservedEntry
  | ReleasedEntry
  | RefusedEntry
  | HaltedEntry
  | RecoveredEntry
  | VouchedEntry
  | MeasureEntry;

/**
 * The canonical bytes of an entry, which are what the log's leaf hashes cover: JSON without spaces, keys in the
 * order below, numbers in decimal. SignerError JOURNAL_ENTRY for values outside their bounds.
 */
export function encodeEntry(entry: Entry): Uint8Array {
  return canonicalBytes(checkEntry(entry));
}

const canonicalBytes = (entry: Entry): Uint8Array => new TextEncoder().encode(JSON.stringify(inOrder(entry)));

/** Reads canonical bytes; whatever would not be encoded to the same bytes is SignerError JOURNAL_ENTRY. */
export function parseEntry(bytes: Uint8Array): Entry {
  let entry: Entry;
  try {
    entry = checkEntry(parseStrictJson(bytes));
  } catch (cause) {
    throw entryError(cause);
  }
  if (!Buffer.from(canonicalBytes(entry)).equals(bytes)) throw entryError();
  return entry;
}

function checkEntry(value: unknown): Entry {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  if (typeof kind !== 'string' || !Object.hasOwn(checkers, kind)) throw entryError();
  try {
    return checkers[kind as Entry['kind']](value);
  } catch (cause) {
    throw entryError(cause);
  }
}

const entryError = (cause?: unknown): SignerError =>
  new SignerError('JOURNAL_ENTRY', 'this entry has no canonical form; compare the journal with a backup', {
    cause,
  });

/** Fixes the order of keys, whatever the order in which the object was made. */
function inOrder(entry: Entry): Entry {
  const { kind, at } = entry;
  switch (kind) {
    case 'genesis':
      return { kind, at, version: entry.version, journal: entry.journal, origin: entry.origin };
    case 'started': {
      const { version, network, votingInterval } = entry;
      return { kind, at, version, network, votingInterval };
    }
    case 'policy': {
      const { serial, digest: text, proposal } = entry;
      const signatures = entry.signatures.map(({ administrator, digest: of }) => ({
        administrator,
        digest: of,
      }));
      return { kind, at, serial, digest: text, proposal, signatures };
    }
    case 'reserved': {
      const { publisher, service, request, digest: requestDigest } = entry;
      const seconds = entry.seconds.map(({ kpHsBlindId, variant, second }) => ({
        kpHsBlindId,
        variant,
        second,
      }));
      return { kind, at, publisher, service, request, digest: requestDigest, seconds };
    }
    case 'released':
      return { kind, at, reserved: entry.reserved, texts: entry.texts, evidence: entry.evidence };
    case 'refused': {
      const { until, publisher, service, rule, count, observed, limit } = entry;
      return { kind, at, until, publisher, service, rule, count, observed, limit };
    }
    case 'halted':
      return { kind, at, code: entry.code, size: entry.size, root: entry.root };
    case 'vouched':
      return { kind, at, service: entry.service, note: entry.note };
    case 'evicted':
    case 'readmitted':
      return { kind, at, publisher: entry.publisher };
    case 'frozen':
    case 'thawed':
    case 'fencing':
      return { kind, at, service: entry.service };
    case 'fenced': {
      const floors = entry.floors.map(({ kpHsBlindId, floor, lead }) => ({ kpHsBlindId, floor, lead }));
      return { kind, at, service: entry.service, floors };
    }
    case 'recovered': {
      const { origin: name, fence, lost } = entry;
      return { kind, at, origin: name, fence, lost: lost && { size: lost.size, root: lost.root } };
    }
  }
}
