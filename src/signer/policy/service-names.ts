import { SignerError } from '../contract/problems.ts';
import type { Policy } from './types.ts';

/** What of a journal's policies is read: every policy that was ever in force, as canonical bytes, oldest first. */
interface PolicyHistory {
  all(): Iterable<Uint8Array>;
}

type Named = Pick<Policy['services'][number], 'service' | 'address'>;

/**
 * Which name belongs to which address, from every policy of one journal. Measures, exposure and spent budgets hang on the
 * name: under another one a frozen service would be free.
 */
export class ServiceNames {
  readonly #addresses = new Map<string, string>();
  readonly #names = new Map<string, string>();

  /** Takes over a policy that is in force. */
  take({ services }: { readonly services: readonly Named[] }): void {
    for (const { service, address } of services) {
      this.#addresses.set(service, address);
      this.#names.set(address, service);
    }
  }

  /** Whether each name has the address that it always had, and the other way round. SignerError SERVICE-NAME. */
  check({ services }: Pick<Policy, 'services'>): void {
    for (const { service, address } of services) {
      const name = this.#names.get(address);
      if (name !== undefined && name !== service) {
        throw new SignerError('SERVICE-NAME', `call the service ${service} ${name} again, as it always was`);
      }
      if ((this.#addresses.get(service) ?? address) === address) continue;
      const message = `${service} was the name of another address: give this one a new name`;
      throw new SignerError('SERVICE-NAME', message);
    }
  }

  /** Whether a policy had this name or this address. */
  has({ service, address }: Named): boolean {
    return this.#addresses.has(service) || this.#names.has(address);
  }

  /** Each name with its address. */
  get all(): readonly Named[] {
    return [...this.#addresses].map(([service, address]) => ({ service, address }));
  }
}

/**
 * A name is for ever: one that no policy had yet must be that of the identity sealed here, where there is one. SignerError
 * BAD_VALUE.
 */
export function checkNewNames(
  names: ServiceNames,
  { services }: Pick<Policy, 'services'>,
  held: readonly Named[],
): void {
  for (const each of services.filter(service => !names.has(service))) {
    const sealed = held.find(({ address }) => address === each.address);
    if (sealed !== undefined && sealed.service !== each.service) {
      const message = `${each.service}: this address is sealed here as ${sealed.service}; call it so, or correct \`address\``;
      throw new SignerError('BAD_VALUE', message);
    }
    const other = held.find(({ service }) => service === each.service);
    if (other === undefined || other.address === each.address) continue;
    const message = `${each.service}: the identity of this name has another address; correct it: see \`key list\``;
    throw new SignerError('BAD_VALUE', message);
  }
}

/** The names of a journal. Its policies were judged when they came, so that only the names are read again. */
export function readServiceNames(history: PolicyHistory): ServiceNames {
  const names = new ServiceNames();
  for (const text of history.all()) {
    names.take(JSON.parse(Buffer.from(text).toString('utf8')) as { services: Named[] });
  }
  return names;
}
