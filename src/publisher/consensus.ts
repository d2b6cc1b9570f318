import { createHash } from 'node:crypto';
import { PublisherError } from './error.ts';

/** One relay of a microdescriptor consensus, as far as hash rings need it. */
export type ConsensusRelay = {
  /** 20 bytes of RSA identity as 40 hex digits, upper case. */
  readonly fingerprint: string;
  /** SHA-256 of its microdescriptor, base64 without padding (43 characters). */
  readonly microdescDigest: string;
  readonly flags: ReadonlySet<string>;
  /** Versions of the protocol HSDir that the relay speaks. */
  readonly hsDirVersions: readonly number[];
};

/** A microdescriptor consensus (dir-spec §3.4, §3.9.2); times in Unix seconds, shared random values of 32 bytes. */
export type Consensus = {
  readonly validAfter: number;
  readonly freshUntil: number;
  readonly validUntil: number;
  readonly params: ReadonlyMap<string, number>;
  readonly srvCurrent: Uint8Array | undefined;
  readonly srvPrevious: Uint8Array | undefined;
  readonly relays: readonly ConsensusRelay[];
};

const MAX_PROTOCOL_VERSION = 63;

/**
 * Reads the answer to `GETINFO dir/status-vote/current/consensus-microdesc`. Tor has verified its signatures; what
 * is checked here is what we use: header, times in order, parameters, shared random values, and per relay the lines
 * r, m, s and pr. Unknown lines pass, as dir-spec wants. Throws PublisherError CONSENSUS_SYNTAX with the line number.
 */
export function parseConsensus(text: string): Consensus {
  const lines = text.split('\n');
  if (lines[0] !== 'network-status-version 3 microdesc') throw syntax(1, 'not a microdescriptor consensus');
  const header = new Map<string, { args: string[]; line: number }>();
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

const HEADER_KEYWORDS: ReadonlySet<string> = new Set([
  'valid-after',
  'fresh-until',
  'valid-until',
  'params',
  'shared-rand-current-value',
  'shared-rand-previous-value',
]);

type RelayLines = { line: number; r: string[]; m?: string[]; s?: string[]; pr?: string[] };
type HeaderLines = ReadonlyMap<string, { args: string[]; line: number }>;

function takeRelayLine(relay: RelayLines, keyword: string, args: string[], line: number): void {
  if (keyword !== 'm' && keyword !== 's' && keyword !== 'pr') return;
  if (relay[keyword] !== undefined) throw syntax(line, `${keyword} stands twice for one relay`);
  relay[keyword] = args;
}

function finishRelay(relay: RelayLines): ConsensusRelay {
  const identity = relay.r[1] ?? '';
  const digest = relay.m?.[0] ?? '';
  if (!/^[A-Za-z0-9+/]{27}$/u.test(identity))
    throw syntax(relay.line, 'the identity of a relay is malformed');
  if (!/^[A-Za-z0-9+/]{43}$/u.test(digest))
    throw syntax(relay.line, 'a relay without microdescriptor digest');
  return {
    fingerprint: Buffer.from(identity, 'base64').toString('hex').toUpperCase(),
    microdescDigest: digest,
    flags: new Set(relay.s),
    hsDirVersions: readProtocolVersions(relay.pr ?? [], 'HSDir'),
  };
}

function readProtocolVersions(entries: readonly string[], protocol: string): number[] {
  const ranges = entries.find(entry => entry.startsWith(`${protocol}=`))?.slice(protocol.length + 1) ?? '';
  return ranges.split(',').flatMap(range => {
    const match = /^([0-9]{1,2})(?:-([0-9]{1,2}))?$/u.exec(range);
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
  const milliseconds = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/u.test(text) || Number.isNaN(milliseconds)) {
    throw syntax(line, `${keyword} is missing or no time`);
  }
  return milliseconds / 1000;
}

function readParams(header: HeaderLines): Map<string, number> {
  const { args = [], line = 1 } = header.get('params') ?? {};
  const params = new Map<string, number>();
  for (const arg of args) {
    if (arg === '') continue;
    const match = /^([A-Za-z0-9_-]+)=(-?[0-9]{1,10})$/u.exec(arg);
    if (match?.[1] === undefined || params.has(match[1]))
      throw syntax(line, 'a parameter is malformed or double');
    params.set(match[1], Number(match[2]));
  }
  return params;
}

function readSharedRandom(header: HeaderLines, keyword: string): Uint8Array | undefined {
  const entry = header.get(keyword);
  if (entry === undefined) return undefined;
  const value = entry.args[1] ?? '';
  if (!/^[A-Za-z0-9+/]{43}=$/u.test(value)) throw syntax(entry.line, `${keyword} is malformed`);
  return new Uint8Array(Buffer.from(value, 'base64'));
}

/**
 * Reads the answer to `GETINFO md/all`: microdescriptors one after another (dir-spec §3.3), LF line ends.
 * Returns digest (base64 without padding, SHA-256 over the text from `onion-key` on) → Ed25519 identity (32 bytes);
 * microdescriptors without one are left out.
 */
export function parseMicrodescriptors(text: string): Map<string, Uint8Array> {
  const identities = new Map<string, Uint8Array>();
  const starts = [...text.matchAll(/^onion-key$/gmu)].map(match => match.index);
  for (const [index, start] of starts.entries()) {
    const body = text.slice(start, starts[index + 1] ?? text.length);
    const identity = /^id ed25519 ([A-Za-z0-9+/]{43})$/mu.exec(body)?.[1];
    if (identity === undefined) continue;
    const digest = createHash('sha256').update(body, 'latin1').digest('base64').replace(/=+$/u, '');
    identities.set(digest, new Uint8Array(Buffer.from(identity, 'base64')));
  }
  return identities;
}

function syntax(line: number, what: string): PublisherError {
  return new PublisherError('CONSENSUS_SYNTAX', `line ${line} of the consensus, ${what}`);
}
