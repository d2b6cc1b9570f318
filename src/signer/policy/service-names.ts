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

  /** Each name with its address. */
  get all(): readonly Named[] {
    return [...this.#addresses].map(([service, address]) => ({ service, address }));
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
