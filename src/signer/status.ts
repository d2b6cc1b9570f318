import { NO_PUBLISHER, type ProblemCode } from './contract/problems.ts';
import type {
  BreakerStatus,
  ServiceStatus,
  ServicesAnswer,
  StatusAnswer,
  TokenStatus,
} from './contract/requests.ts';
import type { ServicePolicy } from './policy/types.ts';
import type { BreakerState, CustodyStatus, KeyholderState, TokenState } from './ports.ts';
import type { RouteContext } from './routes.ts';
import type { SignerCore } from './sign-descriptor.ts';

const mayAsk =
  (publisher: string) =>
  (service: ServicePolicy): boolean =>
    service.enabled && service.publishers.includes(publisher);

/**
 * GET /v1/services: what this publisher may ask for, with everything it needs to do so. `settings` is the keyholder's word,
 * which makes the texts. SignerError KEYHOLDER_UNAVAILABLE.
 */
export async function describeServices(
  { policy, profile, runwaySeconds, keyholder }: SignerCore,
  publisher: string,
): Promise<ServicesAnswer> {
  const custody = new Map((await keyholder.status()).services.map(each => [each.alias, each]));
  const { name, votingIntervalSeconds, periodLengthMinutes } = profile;
  return {
    services: policy()
      .services.filter(mayAsk(publisher))
      .map(({ service, address, backends, limits }) => ({
        service,
        address,
        network: { name, votingIntervalSeconds, periodLengthMinutes },
        backends: backends
          .filter(({ enabled }) => enabled)
          .map(backend => ({ name: backend.name, address: backend.address })),
        limits: {
          minPoints: limits.minPoints,
          maxPoints: limits.maxPoints,
          minBackends: limits.minBackends,
          maxPointsPerBackend: limits.maxPointsPerBackend,
        },
        runwaySeconds,
        settings: custody.get(service)?.settingsSerial ?? 0,
      })),
  };
}

/**
 * GET /v1/status: for one publisher its own services and what was released to it, without what an attacker there could use against the
 * custody; for
 * the operator (`publisher` undefined) everything.
 */
export async function describeStatus(
  context: RouteContext,
  publisher: string | undefined,
): Promise<StatusAnswer> {
  const { core, checkpoints, startedAt } = context;
  const now = core.now();
  const keyholder = await core.keyholder.status();
  const services = core
    .policy()
    .services.filter(publisher === undefined ? () => true : mayAsk(publisher))
    .map(service => serviceStatus(core, service, keyholder, { now, publisher }))
    .map(status => (publisher === undefined ? status : forPublisher(status)));
  const checkpoint = checkpoints.known;
  const code = faultOf(context, keyholder);
  return {
    ready: code === undefined && services.every(({ state }) => isOneOf(state, 'ready')),
    startedAt,
    now,
    isolation: publisher === undefined ? keyholder.isolation : keyholder.isolation.replace(/[;,].*/u, ''),
    policySerial: core.policySerial(),
    runwaySeconds: Math.min(core.runwaySeconds, keyholder.runwaySeconds),
    aheadSeconds: keyholder.aheadSeconds,
    services,
    ...(publisher === undefined ? { evicted: [...core.journal.measures.inForce.evicted] } : {}),
    checkpointKey: keyholder.checkpointKey,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(publisher === undefined
      ? {
          memory: keyholder.memory,
          stateProtection: keyholder.stateProtection,
          periodKeys: keyholder.periodKeys,
          tokens: keyholder.tokens.map(tokenStatus),
          breaker: breakerStatus(keyholder.breaker),
          journal: core.journal.size,
          ...(code === undefined ? {} : { code }),
        }
      : {}),
  };
}

/** Whether the keyholder runs without locked memory, which the operator alone is told. */
export const canReachSwap = ({ memory = 'locked' }: Pick<StatusAnswer, 'memory'>): boolean =>
  memory !== 'locked';

/** Why nothing is signed for anybody, or something else than policy says. */
function faultOf({ core, checkpoints }: RouteContext, keyholder: KeyholderState): ProblemCode | undefined {
  const { standing, stopped } = core.journal;
  const fault = checkpoints.halted ?? stopped;
  if (fault !== undefined) return fault.code;
  if (core.now() < standing.fence) return 'FENCED';
  return keyholder.listSerial === core.policySerial() ? undefined : 'POLICY_SERIAL';
}

/**
 * The state of token and PIN is nothing for a publisher: whoever took it would know when to come for the token. Nor is the
 * number of clients, which the fakes hide.
 */
function forPublisher(status: ServiceStatus): ServiceStatus {
  const shown = { ...status };
  delete shown.clients;
  delete shown.code;
  delete shown.opened;
  if (status.code === undefined || status.state === 'ready') return shown;
  const isOpen = status.code === 'SERVICE_LATCHED' || status.code === 'FENCED';
  return { ...shown, code: isOpen ? status.code : 'CUSTODY_UNAVAILABLE' };
}

function serviceStatus(
  core: SignerCore,
  service: ServicePolicy,
  state: KeyholderState,
  { now, publisher }: { readonly now: number; readonly publisher: string | undefined },
): ServiceStatus {
  const custody = state.services.find(({ alias }) => alias === service.service);
  const code = codeOf(core, service, custody);
  const exposed = core.journal.exposure.of(service.service, publisher);
  return {
    service: service.service,
    state: stateOf(core, service, custody, state.aheadSeconds, now),
    custody: 'sealed',
    origin: custody === undefined || custody.origin === '' ? 'not opened yet' : custody.origin,
    ...(custody === undefined || custody.certifiedUntil === 0
      ? {}
      : { certifiedUntil: custody.certifiedUntil }),
    ...(exposed === undefined
      ? {}
      : { withoutSignerUntil: exposed.lastUse, exposureEnd: exposed.exposureEnd }),
    ...(custody === undefined ? {} : { clients: custody.clients }),
    ...(custody === undefined || custody.opened.at === 0 ? {} : { opened: custody.opened }),
    ...(code === undefined || code === '' ? {} : { code }),
  };
}

function tokenStatus({ name, openedAt, seenAt, errorCode, errorSince, strangerTo }: TokenState): TokenStatus {
  return {
    token: name,
    ...(openedAt === 0 ? {} : { openedAt }),
    ...(seenAt === 0 ? {} : { seenAt }),
    ...(errorCode === '' ? {} : { code: errorCode, since: errorSince }),
    strangerTo: [...strangerTo],
  };
}

function breakerStatus({ isOpen, since, nextTry, code }: BreakerState): BreakerStatus {
  if (!isOpen) return { state: 'closed' };
  return { state: 'open', since, code, ...(nextTry === 0 ? {} : { nextTry }) };
}

function codeOf(
  core: SignerCore,
  policy: ServicePolicy,
  custody: CustodyStatus | undefined,
): string | undefined {
  const { service } = policy;
  if (core.latched.has(service) || custody?.latched === true) return 'SERVICE_LATCHED';
  if (core.journal.measures.inForce.isFencing(service)) return 'FENCED';
  const code = custody?.errorCode ?? '';
  return code === '' && hasNobody(core, policy) ? NO_PUBLISHER : code;
}

/** Whether every publisher of a service was evicted: nobody can have it signed. */
const hasNobody = ({ journal }: SignerCore, { enabled, publishers }: ServicePolicy): boolean =>
  enabled && publishers.every(publisher => journal.measures.inForce.isEvicted(publisher));

/** A service that custody fails and that has used up half of `ahead`: time to act, before or after clients notice. */
export const isAlarm = ({ state, code }: ServiceStatus): boolean =>
  (state === 'degraded' && code !== NO_PUBLISHER) ||
  (state === 'down' && code !== undefined && code !== 'FENCED');

/** Degraded at half of `ahead`: time enough to bring the token back before anybody notices. */
function stateOf(
  core: SignerCore,
  policy: ServicePolicy,
  custody: CustodyStatus | undefined,
  aheadSeconds: number,
  now: number,
): ServiceStatus['state'] {
  const { service, enabled } = policy;
  if (core.latched.has(service) || custody?.latched === true) return 'latched';
  if (!enabled) return 'disabled';
  if (core.journal.measures.inForce.isFrozen(service) || custody?.frozen === true) return 'frozen';
  if (core.journal.measures.inForce.isFencing(service)) return 'down';
  if (custody === undefined || custody.certifiedUntil <= now) return 'down';
  const isShort = custody.certifiedUntil < now + aheadSeconds / 2 && custody.errorCode !== '';
  return isShort || hasNobody(core, policy) ? 'degraded' : 'ready';
}

/**
 * True while every enabled service, or every one of `publisher`, has a certified key for now, nothing is halted or
 * fenced, and the keyholder has the list of the policy in force.
 */
export async function isReady(context: RouteContext, publisher?: string): Promise<boolean> {
  try {
    const keyholder = await context.core.keyholder.status();
    if (faultOf(context, keyholder) !== undefined) return false;
    const { services } = await describeStatus(context, publisher);
    return services.every(({ state }) => isOneOf(state, 'ready', 'degraded'));
  } catch {
    return false; // the keyholder does not answer
  }
}

/** What policy has switched off is never missing. */
const isOneOf = (state: ServiceStatus['state'], ...wanted: ServiceStatus['state'][]): boolean =>
  state === 'disabled' || wanted.includes(state);
