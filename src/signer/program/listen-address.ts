import { isIP } from 'node:net';
import { readScalar } from './read-yaml.ts';
import { errorAt, type YamlNode } from './strict-yaml.ts';

/** Where something listens: an address of this host and a port. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT` with an IP address of this host, IPv6 in brackets: a name could come to mean another host. */
export function readListenAddress(node: YamlNode, what: string): ListenAddress {
  const { text } = readScalar(node, what);
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([1-9][0-9]{0,4})$/.exec(text);
  const [host, port] = [match?.[1] ?? match?.[2] ?? '', Number(match?.[3])];
  if (isIP(host) === (match?.[1] === undefined ? 4 : 6) && port <= 65_535) return { host, port };
  throw errorAt('BAD_VALUE', node, `write ${what} as "192.0.2.1:8443" or "[2001:db8::1]:8443"`);
}

/** A listen address that only this host can reach. */
export function readLoopback(node: YamlNode, what: string): ListenAddress {
  const address = readListenAddress(node, what);
  if (address.host === '::1' || address.host.startsWith('127.')) return address;
  throw errorAt('BAD_VALUE', node, `write ${what} with an address of this host alone, as "127.0.0.1:9100"`);
}

export const formatListen = ({ host, port }: ListenAddress): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
