import { Ajv, type ErrorObject } from 'ajv';
import { Type, type Static, type TSchema } from 'typebox';
import { NAME_PATTERN } from './name.ts';
import { SignerError } from './problems.ts';
import { parseStrictJson } from './strict-json.ts';

/** Bounds of the API. A v3 descriptor is below 50,000 bytes (rend-spec-v3 §2.4, HSDIR limit). */
export const MAX_POINTS = 20;
export const MAX_EVIDENCE = 20;
export const MAX_DESCRIPTOR_CHARS = 50_000;
export const MAX_CHECKPOINT_CHARS = 8_192;
/** Twenty descriptors with their line feeds escaped, and room for the rest. */
export const MAX_BODY_BYTES = 1_100_000;
/** Values in a body, of which the largest that fits has 86: hundreds of thousands of small ones cost a second. */
export const MAX_BODY_VALUES = 128;

const closed = { additionalProperties: false } as const;
const name = () => Type.String({ pattern: NAME_PATTERN, maxLength: 63 });
const digest = () => Type.String({ pattern: '^[0-9a-f]{64}$', maxLength: 64 });
const onionAddress = () => Type.String({ pattern: '^[a-z2-7]{56}\\.onion$', maxLength: 62 });
const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const whole = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum });
const seconds = () => whole(0, 2 ** 40);
/** Raised when anything changed that texts carry (clients, CAA, single onion), and says nothing of what it was. */
const settings = () => whole(0, Number.MAX_SAFE_INTEGER);
const checkpoint = () => text(MAX_CHECKPOINT_CHARS);
/** What people are shown comes without control characters, whoever wrote it. */
const printable = (maxLength: number) => Type.String({ maxLength, pattern: '^[ -~]*$' });
/** What selects a token in its URI, escaped anew. */
const tokenName = () => Type.String({ minLength: 1, maxLength: 4_096, pattern: '^pkcs11:[!-~]*$' });
const problemCode = () => Type.String({ maxLength: 64, pattern: '^[A-Z][A-Z0-9_-]*$' });

/** One introduction point: the `index`-th of the descriptor with this SHA-256, sent along or seen before. */
export const PointReferenceSchema = Type.Object(
  { evidence: digest(), index: whole(0, MAX_POINTS - 1) },
  closed,
);

/** POST /v1/descriptors and /v1/descriptors/check: no period, key, counter or time. */
export const SignRequestSchema = Type.Object(
  {
    id: Type.String({ pattern: '^[A-Za-z0-9_-]{16,64}$', maxLength: 64 }),
    service: name(),
    points: Type.Array(PointReferenceSchema, { minItems: 1, maxItems: MAX_POINTS }),
    evidence: Type.Array(text(MAX_DESCRIPTOR_CHARS), { maxItems: MAX_EVIDENCE }),
    checkpoint: Type.Optional(checkpoint()),
  },
  closed,
);

export const TimePeriodSchema = Type.Object(
  { periodNum: whole(0, 2 ** 40), lengthMinutes: whole(1, 14_400), offsetSeconds: whole(0, 864_000) },
  closed,
);

/** One finished text: post it from `useFrom` (Unix seconds) on. The counter is decimal, up to 2^64 − 1. */
export const SignedDescriptorSchema = Type.Object(
  {
    period: TimePeriodSchema,
    variant: whole(0, 65_535),
    useFrom: seconds(),
    revisionCounter: Type.String({ pattern: '^(?:0|[1-9][0-9]{0,19})$', maxLength: 20 }),
    text: text(MAX_DESCRIPTOR_CHARS),
  },
  closed,
);

export const SignAnswerSchema = Type.Object(
  {
    id: Type.String({ pattern: '^[A-Za-z0-9_-]{16,64}$', maxLength: 64 }),
    service: name(),
    address: onionAddress(),
    /** Under which the texts were made. */
    settings: settings(),
    descriptors: Type.Array(SignedDescriptorSchema, { minItems: 1, maxItems: 256 }),
    checkpoint: checkpoint(),
  },
  closed,
);

/** POST /v1/descriptors/check, when nothing would be denied. */
export const CheckAnswerSchema = Type.Object(
  {
    service: name(),
    verdict: Type.Literal('approved'),
    periods: Type.Array(TimePeriodSchema, { maxItems: 4 }),
  },
  closed,
);

export const NetworkSchema = Type.Object(
  {
    name: name(),
    votingIntervalSeconds: whole(5, 86_400),
    periodLengthMinutes: whole(1, 14_400),
  },
  closed,
);

export const ServiceSchema = Type.Object(
  {
    service: name(),
    address: onionAddress(),
    network: NetworkSchema,
    backends: Type.Array(Type.Object({ name: name(), address: onionAddress() }, closed), { maxItems: 255 }),
    limits: Type.Object(
      {
        minPoints: whole(1, MAX_POINTS),
        maxPoints: whole(1, MAX_POINTS),
        minBackends: whole(1, MAX_POINTS),
        maxPointsPerBackend: whole(1, MAX_POINTS),
      },
      closed,
    ),
    runwaySeconds: whole(0, 604_800),
    /** In force: texts of others must not be served on. */
    settings: settings(),
  },
  closed,
);

/** GET /v1/services: the services of the asking publisher, and no other. */
export const ServicesAnswerSchema = Type.Object(
  { services: Type.Array(ServiceSchema, { maxItems: 1_000 }) },
  closed,
);

export const ServiceStatusSchema = Type.Object(
  {
    service: name(),
    state: Type.Union([
      Type.Literal('ready'),
      Type.Literal('degraded'),
      Type.Literal('latched'),
      Type.Literal('frozen'),
      Type.Literal('down'),
      Type.Literal('disabled'),
    ]),
    custody: text(64),
    origin: text(64),
    certifiedUntil: Type.Optional(seconds()),
    /** The last moment for which somebody has a text to post. */
    withoutSignerUntil: Type.Optional(seconds()),
    /** When the last certificate that was released ends. */
    exposureEnd: Type.Optional(seconds()),
    /** Authorized clients, 0 when whoever knows the address may read; for the operator alone. */
    clients: Type.Optional(whole(0, 65_535)),
    code: Type.Optional(text(64)),
    /** Which token certified last; for the operator alone. */
    opened: Type.Optional(Type.Object({ by: tokenName(), at: seconds() }, closed)),
  },
  closed,
);

/** A token, in the order of configuration; for the operator alone. What never happened is left out. */
export const TokenStatusSchema = Type.Object(
  {
    token: tokenName(),
    openedAt: Type.Optional(seconds()),
    seenAt: Type.Optional(seconds()),
    /** Why it opened nothing when it was asked last. */
    code: Type.Optional(problemCode()),
    since: Type.Optional(seconds()),
    /** Services whose envelopes do not name it. */
    strangerTo: Type.Array(name(), { maxItems: 1_000 }),
  },
  closed,
);

/** Whether tokens are left alone after a failure; for the operator alone. Without `nextTry` it takes a person first. */
export const BreakerSchema = Type.Object(
  {
    state: Type.Union([Type.Literal('closed'), Type.Literal('open')]),
    since: Type.Optional(seconds()),
    nextTry: Type.Optional(seconds()),
    code: Type.Optional(problemCode()),
  },
  closed,
);

/** GET /v1/status: what the asking publisher may know. What is optional here is the operator's, but for `checkpoint`. */
export const StatusAnswerSchema = Type.Object(
  {
    ready: Type.Boolean(),
    startedAt: seconds(),
    now: seconds(),
    isolation: text(64),
    /** Of the processes with secrets: `locked`, or that it can reach swap. */
    memory: Type.Optional(text(256)),
    stateProtection: Type.Optional(text(1_024)),
    /** Where descriptor signing keys are, and which process stays for it. */
    periodKeys: Type.Optional(text(1_024)),
    tokens: Type.Optional(Type.Array(TokenStatusSchema, { maxItems: 16 })),
    breaker: Type.Optional(BreakerSchema),
    /** Why the signer as a whole is not ready. */
    code: Type.Optional(problemCode()),
    journal: Type.Optional(
      Type.Object(
        { bytes: whole(0, Number.MAX_SAFE_INTEGER), quotaBytes: whole(0, Number.MAX_SAFE_INTEGER) },
        closed,
      ),
    ),
    policySerial: whole(0, Number.MAX_SAFE_INTEGER),
    runwaySeconds: whole(0, 604_800),
    aheadSeconds: whole(0, 31_622_400),
    services: Type.Array(ServiceStatusSchema, { maxItems: 1_000 }),
    /** Publishers that are let in no more. */
    evicted: Type.Optional(Type.Array(name(), { maxItems: 1_000 })),
    /** Verifies the checkpoints: a verifier key of c2sp.org/signed-note. */
    checkpointKey: text(512),
    checkpoint: Type.Optional(checkpoint()),
  },
  closed,
);

/** GET /healthz and /readyz, when well. */
export const HealthAnswerSchema = Type.Object({ status: Type.Literal('ok') }, closed);

/** Every other answer: RFC 9457 problem details. */
export const ProblemSchema = Type.Object(
  {
    type: text(128),
    title: text(256),
    status: whole(400, 599),
    code: problemCode(),
    rule: Type.Optional(problemCode()),
    observed: Type.Optional(printable(256)),
    limit: Type.Optional(printable(256)),
    detail: text(1_024),
    retryAfter: Type.Optional(whole(0, 86_400)),
    /** Of the one descriptor that was refused. */
    evidence: Type.Optional(digest()),
  },
  closed,
);

export type PointReference = Static<typeof PointReferenceSchema>;
export type SignRequest = Static<typeof SignRequestSchema>;
export type SignedDescriptor = Static<typeof SignedDescriptorSchema>;
export type SignAnswer = Static<typeof SignAnswerSchema>;
export type CheckAnswer = Static<typeof CheckAnswerSchema>;
export type ServiceDescription = Static<typeof ServiceSchema>;
export type ServicesAnswer = Static<typeof ServicesAnswerSchema>;
export type ServiceStatus = Static<typeof ServiceStatusSchema>;
export type TokenStatus = Static<typeof TokenStatusSchema>;
export type BreakerStatus = Static<typeof BreakerSchema>;
export type StatusAnswer = Static<typeof StatusAnswerSchema>;
export type HealthAnswer = Static<typeof HealthAnswerSchema>;
export type Problem = Static<typeof ProblemSchema>;

// One instance: no coercion, no defaults, no removal, no schema from elsewhere, no formats.
const ajv = new Ajv({
  strict: true,
  allErrors: false,
  coerceTypes: false,
  useDefaults: false,
  removeAdditional: false,
  validateFormats: false,
  ownProperties: true,
});

/**
 * Makes a checker for `schema`: it gives the same value back as the schema's type, or throws SignerError
 * REQUEST_SCHEMA that names the place (a JSON pointer) and the limit, never the value.
 */
export function compileValidator<S extends TSchema>(schema: S): (value: unknown) => Static<S> {
  const validate = ajv.compile(schema);
  return value => {
    if (validate(value)) return value as Static<S>;
    throw new SignerError('REQUEST_SCHEMA', describe(validate.errors?.[0]));
  };
}

function describe(error: ErrorObject | undefined): string {
  const place = error === undefined || error.instancePath === '' ? 'the body' : error.instancePath;
  return `${place} ${error?.message ?? 'does not fit'}`;
}

const checkSignRequest = compileValidator(SignRequestSchema);

/** Bytes → SignRequest: strict JSON, then the schema. SignerError JSON_* , BODY_TOO_LARGE or REQUEST_SCHEMA. */
export function parseSignRequest(body: Uint8Array): SignRequest {
  if (body.length > MAX_BODY_BYTES) {
    throw new SignerError('BODY_TOO_LARGE', `send at most ${MAX_BODY_BYTES} bytes`);
  }
  return checkSignRequest(parseStrictJson(body, MAX_BODY_VALUES));
}
