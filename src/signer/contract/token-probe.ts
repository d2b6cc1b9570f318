import { Type, type Static } from 'typebox';

/** What `token probe --json` prints: strings of a token come as it gave them. */

const closed = { additionalProperties: false } as const;
const text = (maxLength: number) => Type.String({ maxLength });
const whole = () => Type.Integer({ minimum: 0, maximum: 0xffff_ffff });

const ModuleSchema = Type.Object(
  { description: text(255), manufacturer: text(255), version: text(16), cryptoki: text(16) },
  closed,
);

const TokenSchema = Type.Object(
  {
    label: text(255),
    manufacturer: text(255),
    model: text(255),
    serial: text(255),
    hardware: text(16),
    firmware: text(16),
    maxSessions: whole(),
  },
  closed,
);

const FindingSchema = Type.Object(
  {
    line: Type.String({ pattern: '^[a-z0-9-]{1,32}$' }),
    title: text(64),
    listed: Type.Optional(Type.Boolean()),
    outcome: Type.Enum(['works', 'refused', 'wrong', 'silent', 'dead', 'untried']),
    detail: text(255),
    ckr: whole(),
    perSecond: Type.Number({ minimum: 0 }),
  },
  closed,
);

const CustodySchema = Type.Object(
  {
    custody: Type.Enum(['sealed by RSA-OAEP', 'sealed by AES-GCM', 'period_keys: token']),
    carried: Type.Boolean(),
    why: Type.Array(text(512), { minItems: 1, maxItems: 16 }),
  },
  closed,
);

export const TokenProbeSchema = Type.Object(
  {
    format: Type.Literal(1),
    module: ModuleSchema,
    token: TokenSchema,
    flags: Type.Array(text(64), { maxItems: 16 }),
    login: Type.String({ pattern: '^[A-Z_]{0,32}$' }),
    mechanisms: Type.Array(
      Type.Object(
        { name: text(64), listed: Type.Boolean(), minKeySize: whole(), maxKeySize: whole() },
        closed,
      ),
      { maxItems: 16 },
    ),
    findings: Type.Array(FindingSchema, { minItems: 1, maxItems: 64 }),
    custody: Type.Array(CustodySchema, { minItems: 3, maxItems: 3 }),
    advice: Type.Object(
      { prepare: Type.Optional(Type.Enum(['rsa', 'aes'])), periodKeys: Type.Enum(['token', 'keyholder']) },
      closed,
    ),
  },
  closed,
);
export type TokenProbe = Static<typeof TokenProbeSchema>;
