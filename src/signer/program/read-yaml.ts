import { errorAt, type Place, type YamlMap, type YamlNode, type YamlText } from './strict-yaml.ts';

/**
 * Typed reading of strict YAML. Every function throws SignerError with file, line and column: UNKNOWN_KEY,
 * MISSING_KEY or BAD_VALUE. Messages say what to write and never repeat a value: it may be a PIN or an address.
 */

/** The maps below accept no key outside `known`; `what` names the map in messages. */
export function readMap(node: YamlNode, known: readonly string[], what: string): YamlMap {
  const map = readAnyMap(node, what);
  for (const [key, place] of map.keys) {
    if (!known.includes(key)) throw errorAt('UNKNOWN_KEY', place, unknownKeyMessage(key, known, what));
  }
  return map;
}

/** A map whose keys are names that the operator chooses. */
export function readAnyMap(node: YamlNode, what: string): YamlMap {
  if (node.kind !== 'map') throw errorAt('BAD_VALUE', node, `write ${what} as a map of \`key: value\``);
  return node;
}

/** The value of `key`. SignerError MISSING_KEY. */
export function requireKey(map: YamlMap, key: string, what: string): YamlNode {
  const node = map.entries.get(key);
  if (node === undefined) throw errorAt('MISSING_KEY', map, `add \`${key}:\` to ${what}`);
  return node;
}

/** A single text. */
export function readScalar(node: YamlNode, what: string): YamlText {
  if (node.kind !== 'text') throw errorAt('BAD_VALUE', node, `write ${what} as one value`);
  return node;
}

/** Text that fits `pattern`, at most 1,024 characters; `write` says what fits. */
export function readText(node: YamlNode, pattern: RegExp, what: string, write: string): string {
  const { text } = readScalar(node, what);
  if (text.length > 1024 || !pattern.test(text))
    throw errorAt('BAD_VALUE', node, `write ${what} as ${write}`);
  return text;
}

/** Exactly `true` or `false`, without quotes; `yes`, `no`, `on` and `off` are refused. */
export function readBoolean(node: YamlNode, what: string): boolean {
  const { text, quoted } = readScalar(node, what);
  if (quoted || (text !== 'true' && text !== 'false')) {
    throw errorAt('BAD_VALUE', node, `write ${what} as true or false`);
  }
  return text === 'true';
}

/** A decimal integer without quotes, from `min` to `max`. */
export function readInteger(node: YamlNode, what: string, min: number, max: number): number {
  const { text, quoted } = readScalar(node, what);
  const value = quoted ? undefined : wholeNumber(text);
  return checkBounds(value, node, what, min, max, `a whole number from ${min} to ${max}`);
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600, d: 86_400 };

/** A duration with its unit (`10s`, `30min`, `6h`, `3d`) → seconds, from `min` to `max` seconds. */
export function readDuration(node: YamlNode, what: string, min: number, max: number): number {
  const [, digits, unit] = /^([0-9]{1,9})(s|min|h|d)$/.exec(readScalar(node, what).text) ?? [];
  const factor = unit === undefined ? undefined : UNIT_SECONDS[unit];
  const value = digits === undefined ? undefined : wholeNumber(digits);
  const seconds = factor === undefined || value === undefined ? undefined : value * factor;
  const bounds = `a duration with unit (s, min, h, d) from ${formatDuration(min)} to ${formatDuration(max)}`;
  return checkBounds(seconds, node, what, min, max, bounds);
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** A size with its unit (`512MiB`, `8GiB`) → bytes, from `min` to `max` bytes. */
export function readSize(node: YamlNode, what: string, min: number, max: number): number {
  const [, digits, unit] = /^([0-9]{1,9})(KiB|MiB|GiB|TiB)$/.exec(readScalar(node, what).text) ?? [];
  const factor = unit === undefined ? undefined : UNIT_BYTES[unit];
  const value = digits === undefined ? undefined : wholeNumber(digits);
  const bytes = factor === undefined || value === undefined ? undefined : value * factor;
  const bounds = `a size with unit (KiB, MiB, GiB, TiB) from ${formatSize(min)} to ${formatSize(max)}`;
  return checkBounds(bytes, node, what, min, max, bounds);
}

/** Bytes → the largest unit of which there is at least one, with one digit after the point unless it is exact. */
export function formatSize(bytes: number): string {
  const [unit, size] = Object.entries(UNIT_BYTES).findLast(([, factor]) => bytes >= factor) ?? ['B', 1];
  const count = bytes / size;
  return `${Number.isInteger(count) ? count : count.toFixed(1)}${unit}`;
}

/** A rate (`60/h`) → events per hour, from `min` to `max`. */
export function readRate(node: YamlNode, what: string, min: number, max: number): number {
  const digits = /^([0-9]{1,9})\/h$/.exec(readScalar(node, what).text)?.[1];
  const value = digits === undefined ? undefined : wholeNumber(digits);
  return checkBounds(value, node, what, min, max, `a rate from ${min}/h to ${max}/h`);
}

/** A range (`3..20`) whose ends lie from `min` to `max`, the first not above the second. */
export function readRange(node: YamlNode, what: string, min: number, max: number): [number, number] {
  const [, first = '', second = ''] =
    /^([0-9]{1,9})\.\.([0-9]{1,9})$/.exec(readScalar(node, what).text) ?? [];
  const [low, high] = [wholeNumber(first), wholeNumber(second)];
  if (low === undefined || high === undefined || low < min || high > max || low > high) {
    const write = `a range such as ${min}..${max}: lower bound first, at least ${min}, at most ${max}`;
    throw errorAt('BAD_VALUE', node, `write ${what} as ${write}`);
  }
  return [low, high];
}

/** A list of at least one and at most `max` values; a single value is not a list. */
export function readList(node: YamlNode, what: string, max: number): readonly YamlNode[] {
  if (node.kind !== 'list' || node.items.length === 0 || node.items.length > max) {
    throw errorAt('BAD_VALUE', node, `write ${what} as a list of 1 to ${max} values: [ … ]`);
  }
  return node.items;
}

/** Seconds → the largest unit that holds them exactly: 21600 → `6h`. */
export function formatDuration(seconds: number): string {
  for (const [unit, size] of Object.entries(UNIT_SECONDS).reverse()) {
    if (seconds !== 0 && seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return '0s';
}

/** Decimal without leading zeros. */
function wholeNumber(digits: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,14})$/.test(digits) ? Number(digits) : undefined;
}

function checkBounds(
  value: number | undefined,
  place: Place,
  what: string,
  min: number,
  max: number,
  write: string,
): number {
  if (value === undefined || value < min || value > max) {
    throw errorAt('BAD_VALUE', place, `write ${what} as ${write}`);
  }
  return value;
}

/** The known key that was probably meant by another one; undefined when none is like it. */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
  const nearest = known
    .map(candidate => ({ candidate, distance: editDistance(key.slice(0, 32), candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  // Of a short word that is changed much another word is left: `clients` is no misspelt `limits`.
  const near = Math.min(3, Math.max(1, Math.floor(key.length / 3)));
  return nearest !== undefined && nearest.distance <= near ? nearest.candidate : undefined;
}

/** Only short plain words are repeated, so that a value in the wrong place stays out of logs. */
function unknownKeyMessage(key: string, known: readonly string[], what: string): string {
  const shown = /^[a-z_-]{1,24}$/.test(key) ? `\`${key}\`` : 'this key';
  const nearest = nearestKey(key, known);
  const hint =
    nearest !== undefined
      ? `write \`${nearest}\``
      : `${what} may have ${known.map(candidate => `\`${candidate}\``).join(', ')}`;
  return `${shown} is not known here; ${hint}`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
