import { encodeClientAuthFile } from '../../descriptor/index.ts';
import { ABSENT, change, type PolicyChange } from './policy-change.ts';
import { formatCaa } from './read-access.ts';
import type { ServicePolicy } from './types.ts';

type Access = Pick<ServicePolicy, 'clients' | 'caa' | 'caaCritical'>;

const OPEN: Access = { clients: [], caa: [], caaCritical: false };

/**
 * Who may read from now on and who may certify. Clients with their keys, as a policy file has them: a name says nothing to
 * whoever signs. What loosens: the end of the
 * restriction, a key that could not read before, another set of CAA records than before, `caa_critical` taken away.
 */
export function accessChanges(service: string, from: Access | undefined, to: Access): PolicyChange[] {
  const before = from ?? OPEN;
  return [
    ...restrictionChange(service, before, to),
    ...clientChanges(service, before, to),
    ...caaChange(service, before, to),
    ...(before.caaCritical === to.caaCritical
      ? []
      : [
          change(
            service,
            'caa_critical',
            String(before.caaCritical),
            String(to.caaCritical),
            before.caaCritical,
          ),
        ]),
  ];
}

function restrictionChange(service: string, from: Access, to: Access): PolicyChange[] {
  const [before, after] = [from, to].map(({ clients }) => clients.length > 0);
  if (before === after) return [];
  const word = (restricted?: boolean): string => (restricted === true ? 'clients only' : 'everybody');
  return [change(service, 'who may read', word(before), word(after), before === true)];
}

/** While everybody may read, a client is nothing new; after that each key is. */
function clientChanges(service: string, from: Access, to: Access): PolicyChange[] {
  const [old, young] = [from, to].map(
    ({ clients }) => new Map(clients.map(({ name, key }) => [name, encodeClientAuthFile(key).trimEnd()])),
  );
  const reading = new Set(old?.values());
  const names = [...new Set([...(old?.keys() ?? []), ...(young?.keys() ?? [])])].sort();
  return names.flatMap(name => {
    const [before, after] = [old?.get(name), young?.get(name)];
    if (before === after) return [];
    const loosens = reading.size > 0 && after !== undefined && !reading.has(after);
    return [change(service, `client ${name}`, before ?? ABSENT, after ?? ABSENT, loosens)];
  });
}

/** Where there was no record every authority could certify; any other change may let one in. */
function caaChange(service: string, from: Access, to: Access): PolicyChange[] {
  const [before, after] = [from, to].map(({ caa }) => caa.map(formatCaa).join(', '));
  if (before === after) return [];
  const word = (text?: string): string => (text === undefined || text === '' ? ABSENT : text);
  return [change(service, 'caa', word(before), word(after), from.caa.length > 0)];
}
