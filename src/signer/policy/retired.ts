import type { KpHsId } from '../../descriptor/index.ts';
import { NAME_PATTERN } from '../contract/name.ts';
import { SignerError } from '../contract/problems.ts';
import { readAnyMap, readBoolean, readMap, requireKey } from '../program/read-yaml.ts';
import { errorAt, type YamlMap, type YamlNode } from '../program/strict-yaml.ts';
import { ABSENT, change, type PolicyChange } from './policy-change.ts';

/** The address of a backend that was touched: whoever copied its key signs evidence for as long as policy names it. */
export interface RetiredBackend {
  readonly name: string;
  /** 62 characters, with `.onion`. */
  readonly address: string;
  readonly kpHsId: KpHsId;
  /** Said on purpose: the address may be a backend again, and may leave the list. */
  readonly mayReturn: boolean;
}

/** What of a policy decides on a return. */
interface Named {
  readonly retired: readonly RetiredBackend[];
  readonly services: readonly {
    readonly service: string;
    readonly backends: readonly { readonly name: string; readonly address: string }[];
  }[];
}

export const RETIRED_FILE = '_retired.yaml';
export const RETIRED_KEYS = ['retired'] as const;
export const RETIRED_BACKEND_KEYS = ['address', 'may_return'] as const;
export const MAX_RETIRED = 1_000;
/** Stands in place of a service in a difference; no service can have this name. */
export const RETIRED = '(retired)';

const NAME = new RegExp(NAME_PATTERN);

/** Reads `_retired.yaml`; `readAddress` reads an onion address. SignerError UNKNOWN_KEY, MISSING_KEY, BAD_VALUE. */
export function readRetired(
  top: YamlMap,
  readAddress: (node: YamlNode) => Pick<RetiredBackend, 'address' | 'kpHsId'>,
): readonly RetiredBackend[] {
  const what = 'the retired backends';
  const map = readAnyMap(requireKey(readMap(top, RETIRED_KEYS, what), 'retired', what), '`retired`');
  if (map.entries.size > MAX_RETIRED) throw errorAt('BAD_VALUE', map, `keep at most ${MAX_RETIRED} of them`);
  const seen = new Set<string>();
  const retired = [...map.entries].map(([name, node]) => {
    const place = map.keys.get(name) ?? map;
    if (!NAME.test(name)) {
      const rule = 'lower-case letters, digits and hyphens, at most 63';
      throw errorAt('BAD_VALUE', place, `write a retired backend as name: address; names are ${rule}`);
    }
    const fields = node.kind === 'map' ? readMap(node, RETIRED_BACKEND_KEYS, 'a retired backend') : undefined;
    const returns = fields?.entries.get('may_return');
    const backend = readAddress(fields === undefined ? node : requireKey(fields, 'address', 'the backend'));
    if (seen.has(backend.address)) throw errorAt('BAD_VALUE', place, 'name each retired address once');
    seen.add(backend.address);
    const mayReturn = returns !== undefined && readBoolean(returns, '`may_return`');
    return Object.freeze({ name, ...backend, mayReturn });
  });
  return Object.freeze(retired.sort((a, b) => (a.name < b.name ? -1 : 1)));
}

/** Addresses that no backend may have. */
export const barredAddresses = (retired: readonly RetiredBackend[]): ReadonlySet<string> =>
  new Set(retired.filter(({ mayReturn }) => !mayReturn).map(({ address }) => address));

/**
 * What was barred by `before` stays barred, or stands in `after` with `may_return`; and no service has a barred address as a
 * backend. SignerError BACKEND-RETIRED.
 */
export function checkRetirement(before: Pick<Named, 'retired'>, after: Named): void {
  const listed = new Set(after.retired.map(({ address }) => address));
  const forgotten = before.retired.find(({ address, mayReturn }) => !mayReturn && !listed.has(address));
  if (forgotten !== undefined) {
    const message = `put ${forgotten.name} back into \`${RETIRED_FILE}\`; \`may_return: true\` there lets it come back`;
    throw new SignerError('BACKEND-RETIRED', message);
  }
  const barred = barredAddresses(after.retired);
  for (const { service, backends } of after.services) {
    const returned = backends.find(({ address }) => barred.has(address));
    if (returned === undefined) continue;
    throw new SignerError('BACKEND-RETIRED', `${service}: give ${returned.name} a new key and address`);
  }
}

/** The one loosening: that an address may come back. */
export function retiredChanges(
  from: readonly RetiredBackend[],
  to: readonly RetiredBackend[],
): PolicyChange[] {
  const [before, after] = [from, to].map(list => new Map(list.map(each => [each.address, wordOf(each)])));
  const barred = barredAddresses(from);
  const stays = barredAddresses(to);
  const addresses = [...new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])].sort();
  return addresses.flatMap(address => {
    const [was, is] = [before?.get(address) ?? ABSENT, after?.get(address) ?? ABSENT];
    if (was === is) return [];
    return [change(RETIRED, address, was, is, barred.has(address) && !stays.has(address))];
  });
}

const wordOf = (backend: RetiredBackend): string => `${backend.name}, ${fateOf(backend)}`;

export const fateOf = ({ mayReturn }: RetiredBackend): string => (mayReturn ? 'may return' : 'never again');

/** As the canonical policy has it. */
export const encodeRetired = ({ name, address, mayReturn }: RetiredBackend) => ({ name, address, mayReturn });
