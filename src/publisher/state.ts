import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { NAME_PATTERN } from '../signer/contract/name.ts';
import { compileValidator, ServiceSchema } from '../signer/contract/requests.ts';
import { readSmallFile, replaceFile } from './durable-file.ts';
import { PublisherError } from './error.ts';

const closed = { additionalProperties: false } as const;
const seconds = () => Type.Number({ minimum: 0 });
const count = () => Type.Integer({ minimum: 0 });
const counter = () => Type.String({ pattern: '^(?:0|[1-9][0-9]{0,19})$' });

/** What is known of one HSDir for one service and period. Counters are decimal revision counters. */
export const HsDirRecordSchema = Type.Object(
  {
    /** Counter of the last attempt. */
    counter: counter(),
    at: seconds(),
    /** `posting`: no outcome yet; `held`: refused as not newer after an attempt whose outcome got lost. */
    result: Type.Enum(['posting', 'uploaded', 'held', 'rejected', 'failed', 'timeout']),
    code: Type.Optional(Type.String({ maxLength: 64 })),
    failures: count(),
    retryAt: seconds(),
    /** The newest text that the HSDir has taken, and when. */
    accepted: Type.Optional(Type.Object({ counter: counter(), at: seconds() }, closed)),
  },
  closed,
);

/** The text that is being served for one period, and when it is to be replaced. */
export const ServingSchema = Type.Object(
  {
    useFrom: seconds(),
    counter: counter(),
    /** Digest of the set of points in it. */
    points: Type.String({ maxLength: 64 }),
    since: seconds(),
    nextAt: seconds(),
    reason: Type.Enum(['first', 'points-changed', 're-upload', 'shelf']),
  },
  closed,
);

export const PeriodStateSchema = Type.Object(
  {
    serving: Type.Optional(ServingSchema),
    /** Fingerprints that are responsible under the newest consensus. */
    ring: Type.Array(Type.String({ pattern: '^[0-9A-F]{40}$' })),
    /** Fingerprint → record, also of HSDirs that have left the ring. */
    hsdirs: Type.Record(Type.String({ pattern: '^[0-9A-F]{40}$' }), HsDirRecordSchema),
    until: seconds(),
  },
  closed,
);

export const BackendStateSchema = Type.Object(
  {
    points: count(),
    /** Span in which its newest descriptor was made. */
    madeFrom: Type.Optional(seconds()),
    madeTo: Type.Optional(seconds()),
    fetchedAt: Type.Optional(seconds()),
    fetchCode: Type.Optional(Type.String({ maxLength: 64 })),
    misses: count(),
    silentSince: Type.Optional(seconds()),
    /** The signer refused this descriptor (by digest), `failures` times in a row: it is left out until then. */
    refused: Type.Optional(
      Type.Object(
        {
          code: Type.String({ maxLength: 64 }),
          evidence: Type.String({ pattern: '^[0-9a-f]{64}$' }),
          failures: count(),
          until: seconds(),
        },
        closed,
      ),
    ),
  },
  closed,
);

/** `severity` alarm: an answer of the signer that must not be; problem: something to look at. */
export const ProblemRecordSchema = Type.Object(
  {
    code: Type.String({ maxLength: 64 }),
    detail: Type.String({ maxLength: 512 }),
    severity: Type.Enum(['alarm', 'problem']),
    since: seconds(),
  },
  closed,
);

export const ServiceStateSchema = Type.Object(
  {
    signer: Type.String(),
    description: ServiceSchema,
    /** Keys of the points of the newest signed text, in order, and the digest of their set. */
    points: Type.Array(Type.String({ maxLength: 64 })),
    pointsDigest: Type.Optional(Type.String({ maxLength: 64 })),
    /** Settings of policy under which it was made, and whether only authorized clients can read it. */
    settings: Type.Optional(count()),
    restricted: Type.Optional(Type.Boolean()),
    signedAt: Type.Optional(seconds()),
    attemptedAt: Type.Optional(seconds()),
    signFailures: count(),
    notBefore: seconds(),
    /** Until when the shelf keeps something of ours on HSDirs should the signer stay dead. */
    shelfLastsUntil: Type.Optional(seconds()),
    backends: Type.Record(Type.String({ pattern: NAME_PATTERN }), BackendStateSchema),
    periods: Type.Record(Type.String({ pattern: '^[0-9]{1,10}$' }), PeriodStateSchema),
    /** Period that clients ask for under the newest consensus. */
    askedPeriod: Type.Optional(count()),
    problems: Type.Array(ProblemRecordSchema),
  },
  closed,
);

export const SignerStateSchema = Type.Object(
  {
    reachable: Type.Boolean(),
    since: seconds(),
    code: Type.Optional(Type.String({ maxLength: 64 })),
    checkpoint: Type.Optional(Type.String({ maxLength: 8192 })),
  },
  closed,
);

/** Another number for every change of the schema. */
const STATE_VERSION = 3;

export const PublisherStateSchema = Type.Object(
  {
    version: Type.Literal(STATE_VERSION),
    startedAt: seconds(),
    updatedAt: seconds(),
    running: Type.Boolean(),
    tor: Type.Object(
      {
        connected: Type.Boolean(),
        since: seconds(),
        code: Type.Optional(Type.String({ maxLength: 64 })),
        validAfter: Type.Optional(seconds()),
        hsdirs: Type.Optional(count()),
      },
      closed,
    ),
    signers: Type.Record(Type.String(), SignerStateSchema),
    services: Type.Record(Type.String({ pattern: NAME_PATTERN }), ServiceStateSchema),
  },
  closed,
);

export type HsDirRecord = Static<typeof HsDirRecordSchema>;
export type Serving = Static<typeof ServingSchema>;
export type PeriodState = Static<typeof PeriodStateSchema>;
export type BackendState = Static<typeof BackendStateSchema>;
export type ProblemRecord = Static<typeof ProblemRecordSchema>;
export type ServiceState = Static<typeof ServiceStateSchema>;
export type SignerState = Static<typeof SignerStateSchema>;
export type PublisherState = Static<typeof PublisherStateSchema>;

const MAX_STATE_BYTES = 64 * 1024 * 1024;
const checkState = compileValidator(PublisherStateSchema);

const stateFile = (folder: string): string => join(folder, 'state.json');

/** Reads the state file; undefined when there is none. Throws PublisherError STATE_VERSION, STATE_CORRUPT or STATE_DIRECTORY. */
export function readState(folder: string): PublisherState | undefined {
  const text = readSmallFile(stateFile(folder), MAX_STATE_BYTES);
  if (text === undefined) return undefined;
  try {
    const state: unknown = JSON.parse(text);
    if (isOfAnotherRelease(state)) throw new PublisherError('STATE_VERSION', stateFile(folder));
    return checkState(state);
  } catch (cause) {
    if (cause instanceof PublisherError) throw cause;
    throw new PublisherError('STATE_CORRUPT', stateFile(folder), { cause });
  }
}

const isOfAnotherRelease = (state: unknown): boolean =>
  typeof state === 'object' &&
  state !== null &&
  'version' in state &&
  typeof state.version === 'number' &&
  state.version !== STATE_VERSION;

/** Writes the state file whole and flushed. */
export function writeState(folder: string, state: PublisherState): void {
  replaceFile(stateFile(folder), `${JSON.stringify(state)}\n`);
}

/**
 * The state of a publisher that starts at `now` with these signers, after what an earlier run left. A service whose
 * signer has another name now goes to the only signer, if there is one only.
 */
export function startState(
  earlier: PublisherState | undefined,
  signers: readonly string[],
  now: number,
): PublisherState {
  const services = Object.entries(earlier?.services ?? {}).flatMap(([name, service]) => {
    const heir = signers.includes(service.signer)
      ? service.signer
      : signers.length === 1
        ? signers[0]
        : undefined;
    return heir === undefined ? [] : [[name, { ...service, signer: heir }] as const];
  });
  const known = Object.entries(earlier?.signers ?? {}).filter(([name]) => signers.includes(name));
  return {
    version: STATE_VERSION,
    startedAt: now,
    updatedAt: now,
    running: true,
    tor: { connected: false, since: now },
    signers: Object.fromEntries(known),
    services: Object.fromEntries(services),
  };
}

/** A service that was never seen before. */
export function newServiceState(signer: string, description: ServiceState['description']): ServiceState {
  return {
    signer,
    description,
    points: [],
    signFailures: 0,
    notBefore: 0,
    backends: {},
    periods: {},
    problems: [],
  };
}
