import { certExpiryHours } from '../../descriptor/index.ts';

/** What somebody may hold: until when it has a text to post, and until when the last one is believed. Unix seconds. */
export interface Exposed {
  /** The latest moment for which a text was released. */
  readonly lastUse: number;
  /** When the last certificate of type 08 that was released ends. */
  readonly exposureEnd: number;
}

/** What was released to whom, as the entries say: later releases only ever raise it. */
export class Exposure {
  /** Service → publisher → the latest moment of use. */
  readonly #lastUse = new Map<string, Map<string, number>>();

  note(publisher: string, service: string, lastUse: number): void {
    const known = this.#lastUse.get(service) ?? new Map<string, number>();
    known.set(publisher, Math.max(lastUse, known.get(publisher) ?? 0));
    this.#lastUse.set(service, known);
  }

  /** Of a service: by one publisher, or by all. Undefined when nothing was released. */
  of(service: string, publisher?: string): Exposed | undefined {
    const known = this.#lastUse.get(service);
    const moments = publisher === undefined ? [...(known?.values() ?? [])] : [known?.get(publisher) ?? 0];
    const lastUse = Math.max(0, ...moments);
    // Of two moments the later one never has the earlier expiry.
    return lastUse === 0 ? undefined : { lastUse, exposureEnd: certExpiryHours(lastUse) * 3600 };
  }

  /** Services of which something was released to this publisher. */
  servicesOf(publisher: string): string[] {
    return [...this.#lastUse].flatMap(([service, known]) => (known.has(publisher) ? [service] : []));
  }
}
