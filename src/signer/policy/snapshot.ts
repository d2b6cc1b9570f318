import { Type } from 'typebox';
import { formatOnionAddress, parseClientAuthFile, parseOnionAddress } from '../../descriptor/index.ts';
import { SignerError } from '../contract/problems.ts';
import { NAME_PATTERN } from '../contract/name.ts';
import { compileValidator, MAX_POINTS } from '../contract/requests.ts';
import { parseSshPublicKey } from '../contract/ssh-key.ts';
import { parseStrictJson } from '../contract/strict-json.ts';
import { type Administrators, areSound, MAX_ADMINISTRATORS } from './administrators.ts';
import { MAX_CLIENTS } from './read-access.ts';
import { MAX_RETIRED, type RetiredBackend } from './retired.ts';
import { encodePolicy, type Policy, type ServicePolicy } from './types.ts';

const closed = { additionalProperties: false } as const;
const name = () => Type.String({ pattern: NAME_PATTERN, maxLength: 63 });
const address = () => Type.String({ maxLength: 62 });
const count = (maximum: number) => Type.Integer({ minimum: 1, maximum });

const SnapshotSchema = Type.Object(
  {
    version: Type.Literal(4),
    administrators: Type.Union([
      Type.Null(),
      Type.Object(
        {
          threshold: count(MAX_ADMINISTRATORS),
          thresholdLoosening: count(MAX_ADMINISTRATORS),
          people: Type.Array(Type.Object({ name: name(), key: Type.String({ maxLength: 1_100 }) }, closed), {
            maxItems: MAX_ADMINISTRATORS,
          }),
        },
        closed,
      ),
    ]),
    retired: Type.Array(
      Type.Object({ name: name(), address: address(), mayReturn: Type.Boolean() }, closed),
      { maxItems: MAX_RETIRED },
    ),
    services: Type.Array(
      Type.Object(
        {
          service: name(),
          address: address(),
          enabled: Type.Boolean(),
          singleOnion: Type.Boolean(),
          publishers: Type.Array(name()),
          backends: Type.Array(
            Type.Object({ name: name(), address: address(), enabled: Type.Boolean() }, closed),
          ),
          limits: Type.Object(
            {
              minPoints: count(MAX_POINTS),
              maxPoints: count(MAX_POINTS),
              minBackends: count(MAX_POINTS),
              maxPointsPerBackend: count(MAX_POINTS),
              requestsPerHour: count(1_000_000),
              pointSetsPerHour: count(1_000_000),
            },
            closed,
          ),
          clients: Type.Array(Type.Object({ name: name(), key: Type.String({ maxLength: 70 }) }, closed), {
            maxItems: MAX_CLIENTS,
          }),
          caa: Type.Array(
            Type.Object(
              { flags: Type.Integer(), tag: Type.String(), value: Type.String({ maxLength: 255 }) },
              closed,
            ),
          ),
          caaCritical: Type.Boolean(),
        },
        closed,
      ),
    ),
  },
  closed,
);

const checkSnapshot = compileValidator(SnapshotSchema);

/**
 * Reads what encodePolicy wrote, as the journal keeps it: the policy in force, which the files change only
 * through `policy apply`. Anything that would not be written back byte for byte is SignerError POLICY_SNAPSHOT.
 */
export function parsePolicySnapshot(bytes: Uint8Array): Policy {
  let policy: Policy;
  try {
    const { services, administrators, retired } = checkSnapshot(parseStrictJson(bytes));
    policy = Object.freeze({
      services: Object.freeze(services.map(toService)),
      administrators: administrators === null ? undefined : toAdministrators(administrators),
      retired: Object.freeze(retired.map(toRetired)),
    });
  } catch (cause) {
    throw unreadable(cause);
  }
  if (!Buffer.from(encodePolicy(policy)).equals(bytes)) throw unreadable();
  return policy;
}

/** Never read as if there were none: its administrators decide on the next one. */
const unreadable = (cause?: unknown): SignerError =>
  new SignerError(
    'POLICY_SNAPSHOT',
    'use the version of onion-signer that applied this policy, or restore the state directory',
    { cause },
  );

function toAdministrators({
  people,
  ...thresholds
}: {
  readonly threshold: number;
  readonly thresholdLoosening: number;
  readonly people: readonly { name: string; key: string }[];
}): Administrators {
  const administrators = Object.freeze({
    ...thresholds,
    people: Object.freeze(
      people.map(person => {
        const key = parseSshPublicKey(person.key);
        if (key === undefined)
          throw new SignerError('ADMINISTRATOR-KEY', 'this is no key of an administrator');
        return Object.freeze({ name: person.name, key });
      }),
    ),
  });
  if (!areSound(administrators)) throw new SignerError('BAD_VALUE', 'these administrators cannot decide');
  return administrators;
}

function toRetired(backend: { name: string; address: string; mayReturn: boolean }): RetiredBackend {
  const kpHsId = parseOnionAddress(backend.address);
  return Object.freeze({ ...backend, address: formatOnionAddress(kpHsId), kpHsId });
}

function toService(
  service: Omit<ServicePolicy, 'kpHsId' | 'backends' | 'clients'> & {
    readonly backends: readonly { name: string; address: string; enabled: boolean }[];
    readonly clients: readonly { name: string; key: string }[];
  },
): ServicePolicy {
  const kpHsId = parseOnionAddress(service.address);
  const backends = service.backends.map(backend => {
    const key = parseOnionAddress(backend.address);
    return Object.freeze({ ...backend, address: formatOnionAddress(key), kpHsId: key });
  });
  const clients = service.clients.map(({ name: client, key }) =>
    Object.freeze({ name: client, key: parseClientAuthFile(key) }),
  );
  return Object.freeze({
    ...service,
    address: formatOnionAddress(kpHsId),
    kpHsId,
    backends: Object.freeze(backends),
    clients: Object.freeze(clients),
  });
}
