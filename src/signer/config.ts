import { dirname, join, resolve } from 'node:path';
// Not by index.ts: a command that only reads configuration loads no cryptography.
import { TOR_NETWORK, testNetwork, type NetworkProfile } from '../descriptor/time.ts';
import { formatDoor, MAX_SOCKET_PATH, type PublisherDoor, readPublishers } from './config-publishers.ts';
import {
  isCleanPath,
  readLockedMemory,
  readPath,
  readPinSource,
  readSecretSource,
  readTestNetwork,
  readTokenUri,
} from './config-values.ts';
import {
  formatListen,
  type ListenAddress,
  readListenAddress,
  readLoopback,
} from './program/listen-address.ts';
import { readTrustedFile } from './program/read-file.ts';
import {
  formatDuration,
  formatSize,
  readDuration,
  readList,
  readMap,
  readScalar,
  readSize,
  readText,
  requireKey,
} from './program/read-yaml.ts';
import { errorAt, parseStrictYaml, type YamlMap, type YamlNode } from './program/strict-yaml.ts';

/** signer.yaml, complete and frozen. Paths are absolute; nothing in it is secret. */
export interface SignerConfig {
  readonly file: string;
  /** RFC 7512 URIs, without a PIN. */
  readonly tokens: readonly string[];
  /** `file:/…`, `credential:NAME` or `tty`. */
  readonly pin: string;
  /** Name → the socket or pin that is this publisher's identity. */
  readonly publishers: ReadonlyMap<string, PublisherDoor>;
  /** Where publishers with a pin come in by TLS; set when there is one. */
  readonly listen: ListenAddress | undefined;
  /** The signer's own TLS key. */
  readonly tlsKey: string;
  /** Where numbers can be read besides the administration socket; loopback only. */
  readonly metrics: ListenAddress | undefined;
  readonly state: string;
  readonly run: string;
  readonly policies: string;
  readonly envelopes: string;
  readonly profile: NetworkProfile;
  readonly aheadSeconds: number;
  readonly runwaySeconds: number;
  readonly deadlineMs: number;
  /** Where descriptor signing keys are made: in the keyholder, or inside the first token. */
  readonly periodKeys: 'keyholder' | 'token';
  /** Whether secrets may reach swap where no memory can be locked. */
  readonly isSwapAccepted: boolean;
  /** How long archived texts and stored answers are kept. */
  readonly keepSeconds: number;
  /** Above it nothing is signed; the publishers share it equally. Bytes. */
  readonly journalQuotaBytes: number;
  /** Free bytes of the state directory's disk below which nothing is signed. */
  readonly diskFloorBytes: number;
  /** `child`, or the absolute path of the keyholder's socket. */
  readonly keyholder: KeyholderDoor;
  /** The keyholder's canonical list. Outside of `state` it is of a keyholder with a user of its own. */
  readonly keyholderList: string;
  /** `file:/…` or `credential:NAME`. */
  readonly hostKey: string;
  /** Every setting as text, with where it came from: `default` or `FILE:LINE`. */
  readonly settings: ReadonlyMap<string, Setting>;
}

export type KeyholderDoor = { readonly kind: 'child' } | { readonly kind: 'unix'; readonly path: string };

export interface Setting {
  readonly value: string;
  readonly from: string;
}

/** Of signer.yaml. */
export const SIGNER_KEYS = [
  'tokens',
  'pin',
  'publishers',
  'listen',
  'tls_key',
  'metrics',
  'state',
  'run',
  'policies',
  'envelopes',
  'network',
  'ahead',
  'runway',
  'deadline',
  'period_keys',
  'locked_memory',
  'keep',
  'journal_quota',
  'disk_floor',
  'keyholder',
  'keyholder_list',
  'host_key',
] as const;

const DAY = 86_400;
const GIB = 2 ** 30;

/** Reads signer.yaml from disk. See parseConfig. */
export function loadConfig(path: string): SignerConfig {
  const file = resolve(path);
  return parseConfig(readTrustedFile(file), file);
}

/**
 * signer.yaml → configuration. `file` is its absolute path: policies stand beside it by default. SignerError with
 * file, line and column: YAML_*, DUPLICATE_KEY, UNKNOWN_KEY, MISSING_KEY, BAD_VALUE, PIN_LITERAL.
 */
export function parseConfig(text: string, file: string): SignerConfig {
  const reader = new ConfigReader(readMap(parseStrictYaml(text, file), SIGNER_KEYS, 'signer.yaml'), file);
  const tokens = Object.freeze(
    readList(reader.required('tokens'), '`tokens`', 8).map(node => readTokenUri(node)),
  );
  reader.note('tokens', tokens.join(' '));
  const pin = reader.noted('pin', readPinSource(reader.required('pin')));
  const state = reader.path('state', '/var/lib/onion-signer');
  const run = reader.path('run', '/run/onion-signer');
  const policies = reader.path('policies', join(dirname(file), 'policies'));
  const envelopes = reader.path('envelopes', join(state, 'identities'));
  const publishers = readPublishers(reader.required('publishers'), run);
  reader.note('publishers', [...publishers].map(([name, door]) => `${name}=${formatDoor(door)}`).join(' '));
  const tls = readTls(reader, state, publishers);
  const profile = readNetwork(reader);
  const spans = readSpans(reader, profile);
  // A replayed answer is rebuilt from the archive for an hour; a day leaves time to look into what happened.
  const keepSeconds = reader.duration('keep', 30 * DAY, DAY, 4000 * DAY);
  const journalQuotaBytes = reader.size('journal_quota', 8 * GIB, GIB / 64, 1024 * GIB);
  const diskFloorBytes = reader.size('disk_floor', GIB / 16, GIB / 1024, 1024 * GIB);
  const keyholderList = reader.path('keyholder_list', join(state, 'keyholder.list'));
  const periodKeys = readPeriodKeys(reader, pin);
  const isSwapAccepted = reader.text('locked_memory', 'required', readLockedMemory) === 'swap-accepted';
  return Object.freeze({
    file,
    tokens,
    pin,
    publishers,
    ...tls,
    state,
    run,
    policies,
    envelopes,
    profile,
    ...spans,
    keepSeconds,
    journalQuotaBytes,
    diskFloorBytes,
    keyholder: readKeyholder(reader),
    keyholderList,
    periodKeys,
    isSwapAccepted,
    hostKey: reader.text('host_key', `file:${join(state, 'host.key')}`, readSecretSource),
    settings: reader.settings,
  });
}

/** Where the journal stands: one file below the state directory. */
export const journalPath = (config: SignerConfig): string => join(config.state, 'journal.sqlite');

/** The keyholder's own directory: its sealed state and its record of spent seconds. */
export const keyholderStatePath = (config: SignerConfig): string => join(config.state, 'keyholder');

/** Then the keyholder's state, host key and PIN are its own user's, and no command of this configuration makes them. */
export const isOwnUsers = ({ keyholder, keyholderList, state }: SignerConfig): boolean =>
  keyholder.kind === 'unix' && keyholderList !== join(state, 'keyholder.list');

/** Keeps each value's text and origin while it is read. */
class ConfigReader {
  readonly settings = new Map<string, Setting>();
  readonly #top: YamlMap;
  readonly #file: string;

  constructor(top: YamlMap, file: string) {
    this.#top = top;
    this.#file = file;
  }

  node(key: (typeof SIGNER_KEYS)[number]): YamlNode | undefined {
    return this.#top.entries.get(key);
  }

  required(key: (typeof SIGNER_KEYS)[number]): YamlNode {
    return requireKey(this.#top, key, 'signer.yaml');
  }

  note(key: (typeof SIGNER_KEYS)[number], value: string): void {
    const place = this.#top.keys.get(key);
    this.settings.set(key, { value, from: place === undefined ? 'default' : `${this.#file}:${place.line}` });
  }

  noted(key: (typeof SIGNER_KEYS)[number], value: string): string {
    this.note(key, value);
    return value;
  }

  text(key: (typeof SIGNER_KEYS)[number], fallback: string, read: (node: YamlNode) => string): string {
    const node = this.node(key);
    return this.noted(key, node === undefined ? fallback : read(node));
  }

  path(key: (typeof SIGNER_KEYS)[number], fallback: string): string {
    return this.text(key, fallback, node => readPath(node, `\`${key}\``));
  }

  address(
    key: 'listen' | 'metrics',
    read: (node: YamlNode, what: string) => ListenAddress,
  ): ListenAddress | undefined {
    const node = this.node(key);
    const address = node === undefined ? undefined : read(node, `\`${key}\``);
    this.note(key, address === undefined ? 'none' : formatListen(address));
    return address;
  }

  duration(key: (typeof SIGNER_KEYS)[number], fallback: number, min: number, max: number): number {
    const node = this.node(key);
    const seconds = node === undefined ? fallback : readDuration(node, `\`${key}\``, min, max);
    this.note(key, formatDuration(seconds));
    return seconds;
  }

  size(key: (typeof SIGNER_KEYS)[number], fallback: number, min: number, max: number): number {
    const node = this.node(key);
    const bytes = node === undefined ? fallback : readSize(node, `\`${key}\``, min, max);
    this.note(key, formatSize(bytes));
    return bytes;
  }
}

/** TLS and numbers listen on addresses; without them nothing here listens on a network. */
function readTls(
  reader: ConfigReader,
  state: string,
  publishers: ReadonlyMap<string, PublisherDoor>,
): Pick<SignerConfig, 'listen' | 'tlsKey' | 'metrics'> {
  const listen = reader.address('listen', readListenAddress);
  if (listen === undefined && [...publishers.values()].some(({ kind }) => kind === 'tls'))
    throw errorAt('MISSING_KEY', reader.required('publishers'), 'add `listen:` for publishers with tls:');
  const tlsKey = reader.path('tls_key', join(state, 'tls.key'));
  return { listen, tlsKey, metrics: reader.address('metrics', readLoopback) };
}

function readNetwork(reader: ConfigReader): NetworkProfile {
  const test = readTestNetwork(reader.node('network'));
  if (test === undefined) {
    reader.note('network', TOR_NETWORK.name);
    return TOR_NETWORK;
  }
  reader.note('network', `${test.name} voting_interval=${formatDuration(test.votingInterval)}`);
  return Object.freeze(testNetwork(test.name, test.votingInterval));
}

/** The numbers behind sign ahead and certify ahead; on a test network they are counted in its own intervals. */
function readSpans(
  reader: ConfigReader,
  profile: NetworkProfile,
): { aheadSeconds: number; runwaySeconds: number; deadlineMs: number } {
  const period = profile.periodLengthMinutes * 60;
  const isTor = profile === TOR_NETWORK;
  const runway = isTor ? DAY / 4 : 6 * profile.votingIntervalSeconds;
  const aheadSeconds = reader.duration('ahead', isTor ? 3 * DAY : 4 * period, period, 7 * period);
  // A shelf longer than half a period would need texts of periods that nobody asks for yet.
  const runwaySeconds = reader.duration('runway', runway, 1, Math.floor(period / 2));
  return { aheadSeconds, runwaySeconds, deadlineMs: reader.duration('deadline', 10, 1, 60) * 1000 };
}

/** A process that signs with keys in a token may have to log in again when nobody sits at a terminal. */
function readPeriodKeys(reader: ConfigReader, pin: string): 'keyholder' | 'token' {
  const place = reader.text('period_keys', 'keyholder', node => {
    const text = readText(node, /^(?:keyholder|token)$/, '`period_keys`', 'keyholder or token');
    if (text === 'token' && pin === 'tty')
      throw errorAt('BAD_VALUE', node, 'name a `pin` that can be read again, or keep keys in the keyholder');
    return text;
  });
  return place === 'token' ? 'token' : 'keyholder';
}

function readKeyholder(reader: ConfigReader): KeyholderDoor {
  const text = reader.text('keyholder', 'child', node => {
    const value = readScalar(node, '`keyholder`').text;
    const path = value.startsWith('unix:') ? value.slice('unix:'.length) : '';
    const fits = value === 'child' || (isCleanPath(path) && Buffer.byteLength(path) <= MAX_SOCKET_PATH);
    if (!fits) throw errorAt('BAD_VALUE', node, 'write `keyholder` as child or unix:/path');
    return value;
  });
  return text === 'child' ? { kind: 'child' } : { kind: 'unix', path: text.slice('unix:'.length) };
}
