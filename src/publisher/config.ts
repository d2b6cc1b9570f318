import { isAbsolute, resolve } from 'node:path';
import { NAME_PATTERN } from '../signer/contract/name.ts';
import { readConfigFile } from '../signer/program/read-file.ts';
import {
  readBoolean,
  readDuration,
  readInteger,
  readList,
  readMap,
  readText,
  requireKey,
} from '../signer/program/read-yaml.ts';
import { errorAt, parseStrictYaml, type YamlMap, type YamlNode } from '../signer/program/strict-yaml.ts';
import { type MetricsConfig, readMetrics } from './config-metrics.ts';
import { readSigners, type SignerTarget } from './config-signers.ts';

/** Where something listens: TCP or a Unix socket, as node:net takes it. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** How backends are probed; durations in seconds. */
export type ProbeConfig = {
  readonly enabled: boolean;
  readonly port: number;
  readonly timeout: number;
  readonly interval: number;
};

/** publisher.yaml with every default filled in. */
export type PublisherConfig = MetricsConfig & {
  readonly signers: readonly SignerTarget[];
  readonly tor: {
    readonly control: Endpoint;
    readonly socks: Endpoint;
    readonly cookieFile: string | undefined;
  };
  readonly state: string;
  readonly record: string | undefined;
  readonly probe: ProbeConfig;
  readonly only: readonly string[] | undefined;
};

export const DEFAULT_CONFIG_PATH = '/etc/onion-publisher/publisher.yaml';

/** Of publisher.yaml and its maps. */
export const PUBLISHER_KEYS = ['signers', 'tor', 'state', 'record', 'probe', 'only', 'metrics'] as const;
export const TOR_KEYS = ['control', 'socks', 'cookie'] as const;
export const PROBE_KEYS = ['enabled', 'port', 'timeout', 'interval'] as const;

const DEFAULTS = {
  control: { host: '127.0.0.1', port: 9051 },
  socks: { host: '127.0.0.1', port: 9050 },
  state: '/var/lib/onion-publisher',
  probe: { enabled: true, port: 80, timeout: 30, interval: 60 },
} as const;

/** Reads and checks a configuration file. Throws SignerError FILE_UNREADABLE and what `parseConfig` throws. */
export function loadConfig(path: string): PublisherConfig {
  return parseConfig(readConfigFile(path, 65_536), path);
}

/**
 * The text of publisher.yaml → configuration. There is no key for a secret: the only
 * one of this program is a file with its TLS key, by which a signer knows it and nobody else.
 * Throws SignerError YAML_SYNTAX, YAML_SUBSET, DUPLICATE_KEY, UNKNOWN_KEY, MISSING_KEY or BAD_VALUE with place.
 */
export function parseConfig(text: string, file = 'publisher.yaml'): PublisherConfig {
  const root = readMap(parseStrictYaml(text, file), PUBLISHER_KEYS, 'publisher.yaml');
  const state = readPath(root, 'state') ?? DEFAULTS.state;
  return {
    signers: readSigners(requireKey(root, 'signers', 'publisher.yaml'), state),
    tor: readTor(root.entries.get('tor')),
    state,
    record: readPath(root, 'record'),
    probe: readProbe(root.entries.get('probe')),
    only: readOnly(root.entries.get('only')),
    ...readMetrics(root.entries.get('metrics')),
  };
}

function readTor(node: YamlNode | undefined): PublisherConfig['tor'] {
  if (node === undefined) return { control: DEFAULTS.control, socks: DEFAULTS.socks, cookieFile: undefined };
  const tor = readMap(node, TOR_KEYS, '`tor`');
  return {
    control: readEndpoint(tor, 'control') ?? DEFAULTS.control,
    socks: readEndpoint(tor, 'socks') ?? DEFAULTS.socks,
    cookieFile: readPath(tor, 'cookie'),
  };
}

function readEndpoint(map: YamlMap, key: string): Endpoint | undefined {
  const node = map.entries.get(key);
  if (node === undefined) return undefined;
  const write = '"HOST:PORT" or "unix:/absolute/path"';
  const text = readText(node, /^[^\p{Cc}\p{Cf}]+$/u, `\`${key}\``, write);
  if (text.startsWith('unix:') && isAbsolute(text.slice(5))) return { path: text.slice(5) };
  const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):([1-9][0-9]{0,4})$/u.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535)
    throw errorAt('BAD_VALUE', node, `write \`${key}\` as ${write}`);
  return { host: match[1].replace(/^\[|\]$/gu, ''), port };
}

function readProbe(node: YamlNode | undefined): ProbeConfig {
  if (node === undefined) return DEFAULTS.probe;
  const { entries } = readMap(node, PROBE_KEYS, '`probe`');
  const [enabled, port] = [entries.get('enabled'), entries.get('port')];
  const [timeout, interval] = [entries.get('timeout'), entries.get('interval')];
  return {
    enabled: enabled === undefined ? DEFAULTS.probe.enabled : readBoolean(enabled, '`enabled`'),
    port: port === undefined ? DEFAULTS.probe.port : readInteger(port, '`port`', 1, 65_535),
    timeout: timeout === undefined ? DEFAULTS.probe.timeout : readDuration(timeout, '`timeout`', 1, 300),
    interval:
      interval === undefined ? DEFAULTS.probe.interval : readDuration(interval, '`interval`', 1, 86_400),
  };
}

/** A relative path counts from the working directory, as in any program. */
function readPath(map: YamlMap, key: string): string | undefined {
  const node = map.entries.get(key);
  if (node === undefined) return undefined;
  return resolve(readText(node, /^[^\p{Cc}\p{Cf}]+$/u, `\`${key}\``, 'a path'));
}

function readOnly(node: YamlNode | undefined): readonly string[] | undefined {
  if (node === undefined) return undefined;
  const alias = new RegExp(NAME_PATTERN, 'u');
  return readList(node, '`only`', 1_000).map(item =>
    readText(item, alias, 'a service', 'the alias that policy gives it'),
  );
}
