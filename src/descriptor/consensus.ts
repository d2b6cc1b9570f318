import { type Bytes, decodeBase64, encodeBase64Unpadded } from './bytes.ts';
import { DescriptorError } from './error.ts';
import type { HsDirNode } from './hsdir-ring.ts';
import {
  type RelayEd25519Id,
  type RelayFingerprint,
  type SharedRandomValue,
  parseRelayEd25519Id,
  parseRelayFingerprint,
  parseSharedRandomValue,
} from './keys.ts';
import { sha256 } from './primitives.ts';

/** One relay of a microdescriptor consensus, as far as hash rings need it. */
export interface ConsensusRelay {
  readonly fingerprint: RelayFingerprint;
  /** SHA-256 of its microdescriptor, base64 without padding (43 characters). */
  readonly microdescDigest: string;
  readonly flags: ReadonlySet<string>;
  /** Versions of the protocol HSDir that the relay speaks. */
  readonly hsDirVersions: readonly number[];
}

/** A microdescriptor consensus (dir-spec §3.4, §3.9.2); times in Unix seconds. */
export interface Consensus {
  readonly validAfter: number;
  readonly freshUntil: number;
  readonly validUntil: number;
  /** As they stand; see {@link networkParameters}. */
  readonly params: ReadonlyMap<string, number>;
  readonly srvCurrent: SharedRandomValue | undefined;
  readonly srvPrevious: SharedRandomValue | undefined;
  readonly relays: readonly ConsensusRelay[];
}

const MAX_PROTOCOL_VERSION = 63;
const INT32 = 2 ** 31;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

const HEADER_KEYWORDS: ReadonlySet<string> = new Set([
  'valid-after',
  'fresh-until',
  'valid-until',
  'params',
  'shared-rand-current-value',
  'shared-rand-previous-value',
]);

/**
 * Reads a microdescriptor consensus (dir-spec §3.4, §3.9.2), such as tor's answer to
 * `GETINFO dir/status-vote/current/consensus-microdesc`. Signatures are not verified: tor has done that. What is checked
 * is what rings need: header, times in order, parameters, shared random values, and per relay the lines r, m, s and pr.
 * Unknown lines pass, as dir-spec wants. Throws BAD_CONSENSUS with the line.
 */
export function parseConsensus(text: string): Consensus {
  const lines = text.split('\n');
  if (lines[0] !== 'network-status-version 3 microdesc') throw syntax(1, 'not a microdescriptor consensus');
  const header = new Map<string, HeaderLine>();
  const relays: ConsensusRelay[] = [];
  let relay: RelayLines | undefined;
  let closed = false;
  for (const [index, line] of lines.entries()) {
    const number = index + 1;
    const [keyword = '', ...args] = line.split(' ');
    if (keyword === 'directory-footer') {
      closed = true;
      break;
    }
    if (keyword === 'r') {
      if (relay !== undefined) relays.push(finishRelay(relay));
      relay = { line: number, r: args };
    } else if (relay !== undefined) takeRelayLine(relay, keyword, args, number);
    else if (HEADER_KEYWORDS.has(keyword)) {
      if (header.has(keyword)) throw syntax(number, `${keyword} stands twice`);
      header.set(keyword, { args, line: number });
    }
  }
  if (!closed) throw syntax(lines.length, 'the text ends before its footer');
  if (relay !== undefined) relays.push(finishRelay(relay));
  return { ...readHeader(header), relays };
}

interface HeaderLine {
  readonly args: readonly string[];
  readonly line: number;
}
type HeaderLines = ReadonlyMap<string, HeaderLine>;

interface RelayLines {
  readonly line: number;
  readonly r: readonly string[];
  m?: readonly string[];
  s?: readonly string[];
  pr?: readonly string[];
}

function takeRelayLine(relay: RelayLines, keyword: string, args: string[], line: number): void {
  if (keyword !== 'm' && keyword !== 's' && keyword !== 'pr') return;
  if (relay[keyword] !== undefined) throw syntax(line, `${keyword} stands twice for one relay`);
  relay[keyword] = args;
}

function finishRelay(relay: RelayLines): ConsensusRelay {
  const digest = relay.m?.[0] ?? '';
  if (!/^[A-Za-z0-9+/]{43}$/.test(digest)) throw syntax(relay.line, 'a relay without microdescriptor digest');
  return {
    fingerprint: parseRelayFingerprint(
      readBase64(relay.r[1] ?? '', 20, relay.line, 'the identity of a relay is malformed'),
    ),
    microdescDigest: digest,
    flags: new Set(relay.s),
    hsDirVersions: readProtocolVersions(relay.pr ?? [], 'HSDir'),
  };
}

function readProtocolVersions(entries: readonly string[], protocol: string): number[] {
  const ranges = entries.find(entry => entry.startsWith(`${protocol}=`))?.slice(protocol.length + 1) ?? '';
  return ranges.split(',').flatMap(range => {
    const match = /^([0-9]{1,2})(?:-([0-9]{1,2}))?$/.exec(range);
    if (match === null) return [];
    const from = Number(match[1]);
    const to = Math.min(Number(match[2] ?? match[1]), MAX_PROTOCOL_VERSION);
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, step) => from + step);
  });
}

function readHeader(header: HeaderLines): Omit<Consensus, 'relays'> {
  const validAfter = readTime(header, 'valid-after');
  const freshUntil = readTime(header, 'fresh-until');
  const validUntil = readTime(header, 'valid-until');
  if (!(validAfter < freshUntil && freshUntil <= validUntil)) {
    throw syntax(header.get('valid-after')?.line ?? 1, 'the times of the consensus are not in order');
  }
  return {
    validAfter,
    freshUntil,
    validUntil,
    params: readParams(header),
    srvCurrent: readSharedRandom(header, 'shared-rand-current-value'),
    srvPrevious: readSharedRandom(header, 'shared-rand-previous-value'),
  };
}

function readTime(header: HeaderLines, keyword: string): number {
  const { args = [], line = 1 } = header.get(keyword) ?? {};
  const text = `${args[0]}T${args[1]}Z`;
  const milliseconds = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(milliseconds)) throw syntax(line, `${keyword} is missing or no time`);
  return milliseconds / 1000;
}

function readParams(header: HeaderLines): Map<string, number> {
  const { args = [], line = 1 } = header.get('params') ?? {};
  const params = new Map<string, number>();
  for (const arg of args) {
    if (arg === '') continue;
    const [, name = '', digits = ''] = /^([A-Za-z0-9_-]+)=(-?[0-9]{1,10})$/.exec(arg) ?? [];
    const value = Number(digits);
    if (name === '' || params.has(name) || value < -INT32 || value >= INT32) {
      throw syntax(line, 'a parameter is malformed or double');
    }
    params.set(name, value);
  }
  return params;
}

function readSharedRandom(header: HeaderLines, keyword: string): SharedRandomValue | undefined {
  const entry = header.get(keyword);
  if (entry === undefined) return undefined;
  const [, value = ''] = entry.args;
  return parseSharedRandomValue(readBase64(value, 32, entry.line, `${keyword} is malformed`));
}

/** Base64 as it stands in a consensus: of an identity without padding, of a shared random value with. */
function readBase64(text: string, length: number, line: number, fault: string): Bytes {
  try {
    const bytes = decodeBase64(text, 'either');
    if (bytes.length === length) return bytes;
  } catch (cause) {
    throw syntax(line, fault, cause);
  }
  throw syntax(line, fault);
}

/**
 * Reads microdescriptors one after another with LF line ends (dir-spec §3.3), such as tor's answer to `GETINFO md/all`:
 * digest (base64 without padding, SHA-256 over the text from `onion-key` on) → Ed25519 identity. Those without an
 * identity are left out; what is no microdescriptor has a digest that no consensus names. Bytes beyond ASCII stand as
 * Latin-1. Does not throw.
 */
export function parseMicrodescriptors(text: string): ReadonlyMap<string, RelayEd25519Id> {
  const identities = new Map<string, RelayEd25519Id>();
  const starts = [...text.matchAll(/^onion-key$/gm)].map(match => match.index);
  for (const [index, start] of starts.entries()) {
    const body = text.slice(start, starts[index + 1] ?? text.length);
    const identity = /^id ed25519 ([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048])$/m.exec(body)?.[1];
    if (identity === undefined) continue;
    identities.set(
      encodeBase64Unpadded(sha256(Buffer.from(body, 'latin1'))),
      parseRelayEd25519Id(decodeBase64(identity, 'unpadded')),
    );
  }
  return identities;
}

/** The relays of a consensus that may store descriptors (rend-spec-v3 §2.2.3): HSDir and HSDir=2. Does not throw. */
export function hsDirCandidates(consensus: Pick<Consensus, 'relays'>): ConsensusRelay[] {
  return consensus.relays.filter(relay => relay.flags.has('HSDir') && relay.hsDirVersions.includes(2));
}

/**
 * The nodes of a hash ring (rend-spec-v3 §2.2.3): the candidates of a consensus whose Ed25519 identity the
 * microdescriptors tell. Does not throw.
 */
export function hsDirNodes(
  consensus: Pick<Consensus, 'relays'>,
  identities: ReadonlyMap<string, RelayEd25519Id>,
): HsDirNode[] {
  return hsDirCandidates(consensus).flatMap(({ fingerprint, microdescDigest }) => {
    const ed25519Id = identities.get(microdescDigest);
    return ed25519Id === undefined ? [] : [{ fingerprint, ed25519Id }];
  });
}

function syntax(line: number, what: string, cause?: unknown): DescriptorError {
  return new DescriptorError('BAD_CONSENSUS', `line ${line} of the consensus, ${what}`, { line, cause });
}
