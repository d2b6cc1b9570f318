import { isAbsolute, join, resolve } from 'node:path';
import { readList, readMap, readScalar, readText, requireKey } from '../signer/program/read-yaml.ts';
import { errorAt, type YamlNode } from '../signer/program/strict-yaml.ts';
import { isPin } from '../signer/program/tls-identity.ts';

/** One signer as configuration names it; `name` is the text that status shows. */
export type SignerTarget =
  | { readonly kind: 'unix'; readonly path: string; readonly name: string }
  | TlsTarget
  | { readonly kind: 'exec'; readonly argv: readonly [string, ...string[]]; readonly name: string };

/** `keyFile`: our own key, by whose pin the signer knows us. */
export type TlsTarget = {
  readonly kind: 'tls';
  readonly host: string;
  readonly port: number;
  readonly pin: string;
  readonly keyFile: string;
  readonly name: string;
};

/** Longest path of a Unix socket on Linux, in bytes. */
const MAX_SOCKET_PATH = 107;
export const SIGNER_MAP_KEYS = ['url', 'pin', 'key', 'exec'] as const;
const MAX_WORDS = 64;
const FORMS = '"unix:/absolute/path", "https://HOST:PORT#sha256/…" or "exec:PROGRAM WORD…"';
/** What no shell would give a meaning to: so nobody can expect one. */
const PLAIN_WORD = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** The publisher's own TLS key, unless a signer is given another one. */
export const tlsKeyPath = (state: string): string => join(state, 'tls.key');

/** `signers` of publisher.yaml; each once. SignerError BAD_VALUE, UNKNOWN_KEY, MISSING_KEY with place. */
export function readSigners(node: YamlNode, state: string): SignerTarget[] {
  const signers = readList(node, '`signers`', 16).map(item =>
    item.kind === 'map' ? readSignerMap(item, state) : readSigner(item, state),
  );
  if (new Set(signers.map(({ name }) => name)).size < signers.length) {
    throw errorAt('BAD_VALUE', node, 'name each signer once');
  }
  return signers;
}

function readSigner(node: YamlNode, state: string): SignerTarget {
  const { text } = readScalar(node, 'a signer');
  if (text.startsWith('exec:')) return execTarget(node, text.slice('exec:'.length).split(/ +/), PLAIN_WORD);
  if (text.startsWith('https:')) {
    const [url = '', pin = ''] = text.split(/#(.*)/s);
    return tlsTarget(node, url, pin, tlsKeyPath(state));
  }
  const name = readText(node, /^unix:\/[^\p{Cc}\p{Cf}]+$/u, 'a signer', FORMS);
  const path = name.slice('unix:'.length);
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH)
    throw errorAt('BAD_VALUE', node, `keep the path of a socket below ${MAX_SOCKET_PATH + 1} bytes`);
  return { kind: 'unix', path, name };
}

/** `{ url, pin, key }` or `{ exec: [PROGRAM, WORD, …] }`, where a word may be anything. */
function readSignerMap(node: YamlNode, state: string): SignerTarget {
  const map = readMap(node, SIGNER_MAP_KEYS, 'a signer');
  const { url, pin, key, exec } = Object.fromEntries(map.entries);
  if (exec !== undefined) {
    if (map.entries.size > 1) throw errorAt('BAD_VALUE', node, 'write nothing beside `exec`');
    const words = readList(exec, '`exec`', MAX_WORDS).map(word => readScalar(word, 'a word').text);
    return execTarget(exec, words, /^[^\p{Cc}]{1,1024}$/u);
  }
  const address = readScalar(url ?? requireKey(map, 'url', 'a signer'), '`url`').text;
  const ownPin = readScalar(pin ?? requireKey(map, 'pin', 'a signer'), '`pin`').text;
  const file =
    key === undefined ? tlsKeyPath(state) : readText(key, /^[^\p{Cc}\p{Cf}]+$/u, '`key`', 'a path');
  return tlsTarget(node, address, ownPin, resolve(file));
}

function tlsTarget(node: YamlNode, url: string, pin: string, keyFile: string): TlsTarget {
  const match = /^https:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([1-9][0-9]{0,4})$/.exec(url);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535 || !isPin(pin)) {
    const write = 'write "https://HOST:PORT#sha256/…" with the pin that `onion-signer tls` prints';
    throw errorAt('BAD_VALUE', node, write);
  }
  return { kind: 'tls', host: match[1].replace(/^\[|\]$/g, ''), port, pin, keyFile, name: url };
}

/** A program and its words; no shell sees them. It is found in PATH or by its absolute path. */
function execTarget(node: YamlNode, words: readonly string[], word: RegExp): SignerTarget {
  const [program, ...rest] = words;
  const fits =
    program !== undefined &&
    words.length <= MAX_WORDS &&
    words.every(each => word.test(each)) &&
    (isAbsolute(program) || !program.includes('/')) &&
    !program.startsWith('-');
  if (!fits) {
    const write =
      'write "exec:PROGRAM WORD…" without quotes and other characters of a shell, or { exec: [PROGRAM, "any word"] }';
    throw errorAt('BAD_VALUE', node, write);
  }
  return { kind: 'exec', argv: [program, ...rest], name: `exec:${words.join(' ')}` };
}
