import { ControlError } from '../../src/publisher/control/error.ts';
import type { TorNode } from '../tor-network/tor-node.ts';

const PATIENCE_MS = 6000;
const ATTEMPTS = 5;

/** A client's tor fetched a descriptor and then refused it, or found none. */
export class FetchRefused extends Error {
  override readonly name = 'FetchRefused';
  readonly reason: string;

  constructor(reason: string) {
    super(`tor fetched no descriptor: ${reason}`);
    this.reason = reason;
  }
}

/** Events that fetches need; the network's own connection stays subscribed to what it needs. */
export async function watchFetches(client: TorNode): Promise<void> {
  await client.control.setEvents(['HS_DESC', 'HS_DESC_CONTENT', 'STATUS_CLIENT', 'NEWCONSENSUS', 'SIGNAL']);
}

/**
 * The text that a client's tor fetches for an address (56 characters) and takes after decoding it; Latin-1. tor is
 * silent when a circuit fails, so it is asked again. Throws FetchRefused with tor's reason: NOT_FOUND, BAD_DESC, ….
 */
export async function fetchText(
  client: TorNode,
  address: string,
  servers: readonly string[] = [],
): Promise<string> {
  const { control } = client;
  for (let left = ATTEMPTS; ; left--) {
    const over = new AbortController();
    const patience = { timeoutMs: PATIENCE_MS, signal: over.signal };
    const failed = control.waitFor('HS_DESC', e => e.address === address && e.action === 'FAILED', patience);
    const taken = control.waitFor('HS_DESC_CONTENT', e => e.address === address && e.text !== '', patience);
    await control.hsFetch(address, servers);
    try {
      const answer = await Promise.race([taken, failed]);
      if (answer.type === 'HS_DESC_CONTENT') return answer.text;
      if (left === 1 || answer.reason === 'BAD_DESC') throw new FetchRefused(answer.reason ?? 'UNKNOWN');
    } catch (error) {
      const silent = error instanceof ControlError && error.code === 'CONTROL_TIMEOUT';
      if (!silent || left === 1) throw error;
    } finally {
      over.abort();
    }
  }
}

/** Runs `work` over all items, at most `width` at a time; the first failure ends it. */
export async function inTurns<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const turn = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: width }, turn));
  return results;
}
