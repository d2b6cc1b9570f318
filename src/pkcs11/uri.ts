import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, join, normalize } from 'node:path';
import { CustodyError } from './error.ts';

const PATH_ATTRIBUTES = [
  'token',
  'manufacturer',
  'serial',
  'model',
  'slot-id',
  'slot-manufacturer',
  'slot-description',
  'library-manufacturer',
  'library-description',
  'library-version',
  'object',
  'type',
  'id',
] as const;
type PathAttribute = (typeof PATH_ATTRIBUTES)[number];
/** What selects a token or key and is compared as text. The library and slot attributes are hints and are not compared. */
export type UriMatch = Partial<Record<'token' | 'manufacturer' | 'serial' | 'model' | 'object', string>>;

const OBJECT_TYPES = ['public', 'private', 'secret-key'] as const;

/** A PKCS#11 URI (RFC 7512) without any PIN. */
export interface Pkcs11Uri {
  readonly match: UriMatch;
  /** CKA_ID. */
  readonly id?: Uint8Array;
  readonly type?: (typeof OBJECT_TYPES)[number];
  readonly moduleName?: string;
  readonly modulePath?: string;
  /** `file:/…`; other sources do not fit into a URI. */
  readonly pinSource?: string;
}

const MODULE_FOLDERS = [
  '/usr/lib/softhsm',
  '/usr/lib/pkcs11',
  ...['x86_64-linux-gnu', 'aarch64-linux-gnu'].flatMap(machine => [
    `/usr/lib/${machine}/softhsm`,
    `/usr/lib/${machine}/pkcs11`,
    `/usr/lib/${machine}`,
  ]),
] as const;

const UNRESERVED_PATH = /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*$/u;
const UNRESERVED_QUERY = /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=/?|]|%[0-9A-Fa-f]{2})*$/u;
const MAX_URI = 1024;

/**
 * `pkcs11:` text → selector. Throws URI_SYNTAX (unknown or doubled attribute, bad escape), PIN_LITERAL for pin-value, PIN_SOURCE for a pin-source that is not an absolute file:, MODULE_PATH.
 */
export function parsePkcs11Uri(text: string): Pkcs11Uri {
  if (!text.startsWith('pkcs11:') || text.length > MAX_URI) throw new CustodyError('URI_SYNTAX');
  const [path = '', query, ...more] = splitOnce(text.slice('pkcs11:'.length), '?');
  if (more.length > 0) throw new CustodyError('URI_SYNTAX');
  const attributes = readAttributes(path, ';', UNRESERVED_PATH);
  for (const name of attributes.keys())
    if (!PATH_ATTRIBUTES.includes(name as PathAttribute)) throw new CustodyError('URI_SYNTAX');
  return { ...readPath(attributes), ...readQuery(readAttributes(query ?? '', '&', UNRESERVED_QUERY)) };
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function readAttributes(text: string, separator: string, allowed: RegExp): Map<string, Buffer> {
  const attributes = new Map<string, Buffer>();
  if (text === '') return attributes;
  for (const part of text.split(separator)) {
    const [name = '', value] = splitOnce(part, '=');
    if (value === undefined || !/^[a-z][a-z0-9-]*$/u.test(name)) throw new CustodyError('URI_SYNTAX');
    if (attributes.has(name) || !allowed.test(value)) throw new CustodyError('URI_SYNTAX');
    attributes.set(name, unescape(value));
  }
  return attributes;
}

function unescape(value: string): Buffer {
  const binary = value.replace(/%([0-9A-Fa-f]{2})/gu, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(binary, 'latin1');
}

function utf8(bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (text !== '' && !text.includes('\0')) return text;
  } catch {
    // Falls through: one refusal for every text that no token can carry.
  }
  throw new CustodyError('URI_SYNTAX');
}

function readPath(attributes: ReadonlyMap<string, Buffer>): Pick<Pkcs11Uri, 'match' | 'id' | 'type'> {
  const match: UriMatch = {};
  for (const name of ['token', 'manufacturer', 'serial', 'model', 'object'] as const) {
    const value = utf8(attributes.get(name));
    if (value !== undefined) match[name] = value;
  }
  const typeName = utf8(attributes.get('type'));
  const type = OBJECT_TYPES.find(known => known === typeName);
  if (typeName !== type) throw new CustodyError('URI_SYNTAX');
  const id = attributes.get('id');
  return { match, ...(id === undefined ? {} : { id }), ...(type === undefined ? {} : { type }) };
}

function readQuery(
  query: ReadonlyMap<string, Buffer>,
): Pick<Pkcs11Uri, 'moduleName' | 'modulePath' | 'pinSource'> {
  if (query.has('pin-value')) throw new CustodyError('PIN_LITERAL');
  const pinSource = utf8(query.get('pin-source'));
  if (pinSource !== undefined && !pinSource.startsWith('file:/')) throw new CustodyError('PIN_SOURCE');
  const moduleName = utf8(query.get('module-name'));
  if (moduleName !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._-]*$/u.test(moduleName))
    throw new CustodyError('MODULE_PATH');
  const modulePath = utf8(query.get('module-path'));
  if (modulePath !== undefined) checkModulePath(modulePath);
  return {
    ...(moduleName === undefined ? {} : { moduleName }),
    ...(modulePath === undefined ? {} : { modulePath }),
    ...(pinSource === undefined ? {} : { pinSource }),
  };
}

function checkModulePath(path: string): void {
  if (!isAbsolute(path) || normalize(path) !== path) throw new CustodyError('MODULE_PATH');
}

/** Selector → canonical text; the PIN source is left out, so that the text may be shown and logged. */
export function formatPkcs11Uri(uri: Pkcs11Uri): string {
  const path = Object.entries(uri.match).map(([name, value]) => `${name}=${escape(Buffer.from(value))}`);
  if (uri.id !== undefined) path.push(`id=${Array.from(uri.id, hexByte).join('')}`);
  if (uri.type !== undefined) path.push(`type=${uri.type}`);
  const query = [];
  if (uri.moduleName !== undefined) query.push(`module-name=${escape(Buffer.from(uri.moduleName))}`);
  if (uri.modulePath !== undefined) query.push(`module-path=${escape(Buffer.from(uri.modulePath), '/')}`);
  return `pkcs11:${path.join(';')}${query.length === 0 ? '' : `?${query.join('&')}`}`;
}

function escape(bytes: Buffer, alsoPlain = ''): string {
  return Array.from(bytes, byte => {
    const character = String.fromCharCode(byte);
    return /^[A-Za-z0-9\-._~]$/u.test(character) || alsoPlain.includes(character) ? character : hexByte(byte);
  }).join('');
}

function hexByte(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/**
 * Absolute path of the module that a URI names, else `fallback` (a path from configuration, may be ''). A name is
 * looked up in fixed system folders only. The file must be regular, owned by root or this user, writable by nobody
 * else and a PKCS#11 module. Throws MODULE_PATH, MODULE_LOAD.
 */
export function resolveModulePath(uri: Pkcs11Uri, fallback = ''): string {
  const path = uri.modulePath ?? (uri.moduleName === undefined ? fallback : findModule(uri.moduleName));
  checkModulePath(path);
  const stat = statSync(path, { throwIfNoEntry: false });
  const ours = stat?.uid === 0 || stat?.uid === process.geteuid?.();
  if (stat === undefined || !stat.isFile() || !ours || (stat.mode & 0o022) !== 0)
    throw new CustodyError('MODULE_PATH');
  // Calling into a library without this entry point is a crash, not an error.
  if (!readFileSync(path).includes('C_GetFunctionList')) throw new CustodyError('MODULE_LOAD');
  return path;
}

function findModule(name: string): string {
  for (const folder of MODULE_FOLDERS) {
    for (const file of [`lib${name}.so`, `${name}.so`]) {
      if (statSync(join(folder, file), { throwIfNoEntry: false }) !== undefined) return join(folder, file);
    }
  }
  throw new CustodyError('MODULE_PATH');
}
