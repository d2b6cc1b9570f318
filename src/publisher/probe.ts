import { randomBytes } from 'node:crypto';
import type { Endpoint, ProbeConfig } from './config.ts';
import { connectThroughSocks, SocksError } from './socks.ts';

/** `alive`: the backend answered. `miss`: it did not. `unknown`: our own tor did not, which says nothing of it. */
export type ProbeResult = { readonly verdict: 'alive' | 'miss' | 'unknown'; readonly code?: string };

/** So many misses in a row take a backend's points away. */
export const MISSES_UNTIL_SILENT = 2;

/** Answers that only a reached backend gives: its port is closed, which is no death. */
const PROOF_OF_LIFE: ReadonlySet<string> = new Set(['SOCKS_CONNECTION_REFUSED']);
const OUR_OWN_FAULT: ReadonlySet<string> = new Set(['SOCKS_CONNECT', 'SOCKS_PROTOCOL', 'SOCKS_ARGUMENT']);

/**
 * A name for the streams of one backend's probes. After a miss it needs a new one: tor would go on using the circuit
 * that leads to the dead process, long after the backend is back.
 */
export function newIsolation(): string {
  return `probe-${randomBytes(8).toString('hex')}`;
}

/** What is probed: address, isolation name of the stream, and when to give up besides the limit. */
export type ProbeTarget = {
  readonly address: string;
  readonly isolation: string;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Connects through tor to a backend's own address and closes at once; nothing is sent. A probe can only take points
 * away: success lets the backend's evidence speak again, it never stands in for it.
 */
export async function probeBackend(
  socks: Endpoint,
  { port, timeout }: ProbeConfig,
  { address, isolation, signal }: ProbeTarget,
): Promise<ProbeResult> {
  try {
    const stream = await connectThroughSocks({
      proxy: socks,
      host: address,
      port,
      isolation,
      timeoutMs: timeout * 1000,
      ...(signal === undefined ? {} : { signal }),
    });
    stream.on('error', () => undefined).destroy();
    return { verdict: 'alive' };
  } catch (thrown) {
    if (!(thrown instanceof SocksError)) throw thrown;
    if (PROOF_OF_LIFE.has(thrown.code)) return { verdict: 'alive', code: thrown.code };
    return { verdict: OUR_OWN_FAULT.has(thrown.code) ? 'unknown' : 'miss', code: thrown.code };
  }
}

/** Misses in a row after a probe. */
export function countMisses(before: number, { verdict }: ProbeResult): number {
  if (verdict === 'unknown') return before;
  return verdict === 'alive' ? 0 : before + 1;
}
