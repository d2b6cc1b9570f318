// The canonical list: what the operator's policy lets the keyholder do. `policy apply` compiles it, root writes it,
// the keyholder believes nothing else. Strict both ways: every list has exactly one encoding.

import { type KpHsId, type NetworkProfile, checkNetworkProfile, parseKpHsId } from '../descriptor/index.ts';
import { CustodyError } from './error.ts';
import {
  type ListBackend,
  backendKey,
  checkKeys,
  checkRetired,
  readRetired,
  writeRetired,
} from './list-backends.ts';
import { type ListAccess, checkAccess, readAccess, writeAccess } from './list-access.ts';
import { LOCKED_MEMORY, type LockedMemory } from './memory-word.ts';
import { parsePkcs11Uri } from './uri.ts';
import { WireReader, WireWriter } from './wire.ts';

const MAGIC = new TextEncoder().encode('onion-signer list 5\n');
const ALIAS = /^[a-z0-9][a-z0-9._-]{0,62}$/u;
/** What a PIN source looks like; the token process reads it in detail. */
const PIN_SOURCE = /^(?:tty|file:\/\P{Cc}+|credential:[A-Za-z0-9._-]+)$/u;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u;
const FLAG_SINGLE_ONION = 1;
const FLAG_ENABLED = 2;
const FLAG_CAA_CRITICAL = 4;
const FLAGS = FLAG_SINGLE_ONION | FLAG_ENABLED | FLAG_CAA_CRITICAL;

/** Bounds that no policy can widen: the invariants of the keyholder stay worth something whatever a list says. */
export const LIST_LIMITS = Object.freeze({
  bytes: 4 << 20,
  aheadSeconds: 7 * 86_400,
  runwaySeconds: 86_400,
  evidenceMaxAgeSeconds: 10_800,
  evidenceMaxSkewSeconds: 300,
  deadlineMs: { from: 1000, to: 600_000 },
  points: 20,
  /** 3,600 for each of 64 publishers: more than that is not asked for by anybody. */
  requestsPerHour: 230_400,
  pointSetsPerHour: 3600,
  tokens: 16,
});

const PERIOD_KEY_PLACES = ['keyholder', 'token'] as const;
export type PeriodKeyPlace = (typeof PERIOD_KEY_PLACES)[number];

/** A token that may open envelopes; tried in the order of the list. */
export interface ListToken {
  /** RFC 7512 `pkcs11:` URI. */
  readonly uri: string;
  /** Path of the PKCS#11 module; '' when the URI names it. */
  readonly modulePath: string;
}

/** One service of this signer. */
export interface ListService extends ListAccess {
  readonly alias: string;
  readonly kpHsId: KpHsId;
  readonly envelopePath: string;
  readonly singleOnion: boolean;
  readonly enabled: boolean;
  /** 1..20 */
  readonly minPoints: number;
  /** minPoints..20 */
  readonly maxPoints: number;
  /** MIN-BACKENDS: distinct backends in one descriptor, 1..20. */
  readonly minBackends: number;
  /** INTRO-SHARE: points of one backend in one descriptor, 1..20. */
  readonly maxPointsPerBackend: number;
  /** SIGN-RATE: requests for this service in an hour, 1..230,400. */
  readonly requestsPerHour: number;
  /** CONTENT-CHURN: different sets of points in an hour, 1..3,600. */
  readonly pointSetsPerHour: number;
  /** Ascending by name; at least one for an enabled service. */
  readonly backends: readonly ListBackend[];
}

/** The list as a whole. Durations in seconds unless named otherwise. */
export interface KeyholderList {
  /** Raised by every `policy apply`; an older list is never taken again. */
  readonly serial: number;
  readonly profile: NetworkProfile;
  readonly aheadSeconds: number;
  readonly runwaySeconds: number;
  /** For one run of the token process. */
  readonly deadlineMs: number;
  readonly tokens: readonly ListToken[];
  /** `file:/path`, `credential:NAME` or `tty`: never a PIN. */
  readonly pinSource: string;
  /** Ascending; none of them is a backend. */
  readonly retired: readonly KpHsId[];
  /** Where descriptor signing keys are made: in this process, or inside the first token. */
  readonly periodKeys: PeriodKeyPlace;
  /** Whether secrets may reach swap where no memory can be locked. */
  readonly lockedMemory: LockedMemory;
  /** Ascending by alias. */
  readonly services: readonly ListService[];
}

/** The one encoding of a list. @throws CustodyError LIST_* as parseList */
export function encodeList(list: KeyholderList): Uint8Array {
  checkList(list);
  const { profile } = list;
  const out = new WireWriter('LIST_SYNTAX').bytes(MAGIC, MAGIC.length).u64(list.serial);
  out.str8(profile.name).u32(profile.votingIntervalSeconds).u32(profile.periodLengthMinutes);
  out.u32(profile.evidenceMaxAgeSeconds).u32(profile.evidenceMaxSkewSeconds);
  out.u32(list.aheadSeconds).u32(list.runwaySeconds).u32(list.deadlineMs).u8(list.tokens.length);
  for (const token of list.tokens) out.str16(token.uri).str16(token.modulePath);
  out.str16(list.pinSource).u8(PERIOD_KEY_PLACES.indexOf(list.periodKeys));
  out.u8(LOCKED_MEMORY.indexOf(list.lockedMemory));
  writeRetired(out, list.retired);
  out.u16(list.services.length);
  for (const service of list.services) {
    out.str8(service.alias).bytes(service.kpHsId, 32).str16(service.envelopePath);
    out.u8(flagsOf(service)).u8(service.minPoints).u8(service.maxPoints);
    out.u8(service.minBackends).u8(service.maxPointsPerBackend).u32(service.requestsPerHour);
    out.u16(service.pointSetsPerHour).u8(service.backends.length);
    for (const backend of service.backends) out.str8(backend.name).bytes(backend.kpHsId, 32);
    writeAccess(out, service);
  }
  return out.finish();
}

function flagsOf({ singleOnion, enabled, caaCritical }: ListService): number {
  return (
    (singleOnion ? FLAG_SINGLE_ONION : 0) |
    (enabled ? FLAG_ENABLED : 0) |
    (caaCritical ? FLAG_CAA_CRITICAL : 0)
  );
}

/**
 * Reads a list.
 * @throws CustodyError LIST_SYNTAX, LIST_BOUNDS, LIST_ORDER, LIST_DUPLICATE, LIST_CLIENT, or LIST_BACKEND, whose `denial` names
 *   the rule: BACKEND-KEY (anybody could sign for it), BACKEND-NOT-OURS (a backend is one of our services),
 *   BACKEND-RETIRED or BACKEND-EXCLUSIVE (it serves two);
 *   URI_SYNTAX, PIN_LITERAL
 */
export function parseList(bytes: Uint8Array): KeyholderList {
  if (bytes.length > LIST_LIMITS.bytes) throw new CustodyError('LIST_BOUNDS', 'the list is too long');
  const reader = new WireReader(bytes, 'LIST_SYNTAX');
  const magic = reader.bytes(MAGIC.length);
  if (!MAGIC.every((byte, i) => byte === magic[i])) throw reader.fault('this is no list of version 5');
  const serial = reader.u64Number();
  const profile: NetworkProfile = {
    name: reader.str8(),
    votingIntervalSeconds: reader.u32(),
    periodLengthMinutes: reader.u32(),
    evidenceMaxAgeSeconds: reader.u32(),
    evidenceMaxSkewSeconds: reader.u32(),
  };
  const [aheadSeconds, runwaySeconds, deadlineMs] = [reader.u32(), reader.u32(), reader.u32()];
  const tokens = repeat(reader.u8(), () => ({ uri: reader.str16(), modulePath: reader.str16() }));
  const pinSource = reader.str16();
  const periodKeys = PERIOD_KEY_PLACES[reader.u8()];
  if (periodKeys === undefined) throw reader.fault('period keys at an unknown place');
  const lockedMemory = LOCKED_MEMORY[reader.u8()];
  if (lockedMemory === undefined) throw reader.fault('an unknown word on locked memory');
  const retired = readRetired(reader);
  const services = repeat(reader.u16(), () => readService(reader));
  reader.end();
  const fixed = { serial, profile, aheadSeconds, runwaySeconds, deadlineMs, tokens, pinSource, periodKeys };
  const list = { ...fixed, lockedMemory, retired, services };
  checkList(list);
  return list;
}

function readService(reader: WireReader): ListService {
  const alias = reader.str8();
  const kpHsId = readKey(reader);
  const envelopePath = reader.str16();
  const flags = reader.u8();
  if ((flags & ~FLAGS) !== 0) throw reader.fault('an unknown flag is set');
  const [minPoints, maxPoints] = [reader.u8(), reader.u8()];
  const [minBackends, maxPointsPerBackend, requestsPerHour] = [reader.u8(), reader.u8(), reader.u32()];
  const pointSetsPerHour = reader.u16();
  const backends = repeat(reader.u8(), () => readBackend(reader));
  return {
    alias,
    kpHsId,
    envelopePath,
    singleOnion: (flags & FLAG_SINGLE_ONION) !== 0,
    enabled: (flags & FLAG_ENABLED) !== 0,
    minPoints,
    maxPoints,
    minBackends,
    maxPointsPerBackend,
    requestsPerHour,
    pointSetsPerHour,
    backends,
    ...readAccess(reader),
    caaCritical: (flags & FLAG_CAA_CRITICAL) !== 0,
  };
}

function readKey(reader: WireReader): KpHsId {
  return serviceKey(reader.bytes(32));
}

function readBackend(reader: WireReader): ListBackend {
  const [name, bytes] = [reader.str8(), reader.bytes(32)];
  return { name, kpHsId: backendKey(name, bytes) };
}

function serviceKey(bytes: Uint8Array): KpHsId {
  try {
    return parseKpHsId(bytes);
  } catch (cause) {
    throw new CustodyError('LIST_BOUNDS', 'a key in the list is no onion service', { cause });
  }
}

function repeat<T>(count: number, read: () => T): T[] {
  return Array.from({ length: count }, read);
}

function checkList(list: KeyholderList): void {
  checkProfile(list.profile);
  const { deadlineMs, tokens } = LIST_LIMITS;
  check(list.serial >= 1 && Number.isSafeInteger(list.serial), 'the serial');
  check(list.aheadSeconds >= 1 && list.aheadSeconds <= LIST_LIMITS.aheadSeconds, 'ahead');
  check(list.runwaySeconds >= 1 && list.runwaySeconds <= LIST_LIMITS.runwaySeconds, 'runway');
  check(list.deadlineMs >= deadlineMs.from && list.deadlineMs <= deadlineMs.to, 'the deadline');
  check(list.tokens.length >= 1 && list.tokens.length <= tokens, 'the number of tokens');
  for (const token of list.tokens) {
    parsePkcs11Uri(token.uri);
    check(token.modulePath === '' || isPath(token.modulePath), 'a module path');
  }
  if (!PIN_SOURCE.test(list.pinSource)) throw new CustodyError('PIN_LITERAL');
  // Nobody sits there when the process that signs is started again.
  const [first] = list.tokens;
  const source = (first && parsePkcs11Uri(first.uri).pinSource) ?? list.pinSource;
  check(list.periodKeys === 'keyholder' || source !== 'tty', 'period keys in a token whose PIN is typed');
  for (const service of list.services) checkService(service, list.serial);
  checkAscending(list.services.map(service => service.alias));
  checkKeys(list.services);
  checkRetired(list.services, list.retired);
}

function checkProfile(profile: NetworkProfile): void {
  try {
    checkNetworkProfile(profile);
  } catch (cause) {
    throw new CustodyError('LIST_BOUNDS', 'the network profile', { cause });
  }
  check(NAME.test(profile.name), 'the name of the network');
  // The name must not lie: whoever reads "tor" in a status relies on it.
  check(profile.name !== 'tor' || profile.votingIntervalSeconds === 3600, 'the network profile');
  check(profile.evidenceMaxAgeSeconds <= LIST_LIMITS.evidenceMaxAgeSeconds, 'the age of evidence');
  check(profile.evidenceMaxSkewSeconds <= LIST_LIMITS.evidenceMaxSkewSeconds, 'the skew of evidence');
}

function checkService(service: ListService, listSerial: number): void {
  check(ALIAS.test(service.alias), 'an alias');
  check(isPath(service.envelopePath), 'the path of an envelope');
  check(service.minPoints >= 1 && service.minPoints <= service.maxPoints, 'the least number of points');
  check(service.maxPoints <= LIST_LIMITS.points, 'the greatest number of points');
  const { points, requestsPerHour } = LIST_LIMITS;
  check(service.minBackends >= 1 && service.minBackends <= points, 'the least number of backends');
  check(
    service.maxPointsPerBackend >= 1 && service.maxPointsPerBackend <= points,
    'the points of one backend',
  );
  check(
    service.requestsPerHour >= 1 && service.requestsPerHour <= requestsPerHour,
    'the number of requests in an hour',
  );
  check(
    service.pointSetsPerHour >= 1 && service.pointSetsPerHour <= LIST_LIMITS.pointSetsPerHour,
    'the number of sets of points in an hour',
  );
  check(!service.enabled || service.backends.length > 0, 'an enabled service without backends');
  for (const { name, kpHsId } of service.backends) {
    check(NAME.test(name), 'the name of a backend');
    backendKey(name, kpHsId);
  }
  checkAscending(service.backends.map(backend => backend.name));
  checkAccess(service, listSerial);
}

function checkAscending(names: readonly string[]): void {
  for (const [i, name] of names.entries()) {
    const before = names[i - 1];
    if (before === name) throw new CustodyError('LIST_DUPLICATE', name);
    if (before !== undefined && before > name) throw new CustodyError('LIST_ORDER', name);
  }
}

function isPath(text: string): boolean {
  return text.startsWith('/') && text.length <= 4096 && isPlain(text);
}

/** One line without control characters. */
function isPlain(text: string): boolean {
  return text.length > 0 && !/\p{Cc}/u.test(text);
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new CustodyError('LIST_BOUNDS', what);
}
