import { join } from 'node:path';
import { isCleanPath } from './config-values.ts';
import { NAME_PATTERN } from './contract/name.ts';
import { readAnyMap, readScalar } from './program/read-yaml.ts';
import { errorAt, type YamlNode } from './program/strict-yaml.ts';
import { isPin } from './program/tls-identity.ts';

/** By what a publisher is known: the socket that is its own, or the key of its TLS certificate. */
export type PublisherDoor =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tls'; readonly pin: string };

// sun_path on Linux has 108 bytes, the last of them NUL.
export const MAX_SOCKET_PATH = 107;

/** `publishers` of signer.yaml: names and doors, each door once. Sockets stand in `run` by default. SignerError BAD_VALUE. */
export function readPublishers(node: YamlNode, run: string): ReadonlyMap<string, PublisherDoor> {
  const map = readAnyMap(node, '`publishers`');
  if (map.entries.size === 0 || map.entries.size > 64)
    throw errorAt('BAD_VALUE', map, 'name 1 to 64 publishers');
  const publishers = new Map<string, PublisherDoor>();
  const taken = new Set<string>();
  for (const [name, value] of map.entries) {
    if (!new RegExp(NAME_PATTERN).test(name)) {
      const write = 'use lower-case letters, digits and hyphens as name';
      throw errorAt('BAD_VALUE', map.keys.get(name) ?? map, write);
    }
    const door = readDoor(value, join(run, `${name}.sock`));
    if (taken.has(formatDoor(door)))
      throw errorAt('BAD_VALUE', value, 'give each publisher a socket or pin of its own: it is its identity');
    taken.add(formatDoor(door));
    publishers.set(name, door);
  }
  return publishers;
}

/** `unix:/path` or `tls:sha256/…`. */
export const formatDoor = (door: PublisherDoor): string =>
  door.kind === 'unix' ? `unix:${door.path}` : `tls:${door.pin}`;

function readDoor(node: YamlNode, fallback: string): PublisherDoor {
  const { text } = readScalar(node, 'a publisher');
  if (text.startsWith('tls:')) {
    const pin = text.slice('tls:'.length);
    if (isPin(pin)) return { kind: 'tls', pin };
    throw errorAt('BAD_VALUE', node, 'write tls:sha256/… as `onion-publisher tls` prints it');
  }
  const path = text === 'unix' ? fallback : text.startsWith('unix:') ? text.slice('unix:'.length) : '';
  if (isCleanPath(path) && Buffer.byteLength(path) <= MAX_SOCKET_PATH) return { kind: 'unix', path };
  const write = `write unix, unix:/path of at most ${MAX_SOCKET_PATH} bytes, or tls:sha256/…`;
  throw errorAt('BAD_VALUE', node, write);
}
