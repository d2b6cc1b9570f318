import { readFileSync } from 'node:fs';

/** What a process may do, as far as it keeps it away from the processes of other users. */
export interface Rights {
  readonly uid: number;
  /** Permitted capabilities, one bit each (capabilities(7)). */
  readonly capabilities: bigint;
}

/** Reaches no other process and no file. */
const CAP_NET_BIND_SERVICE = 1n << 10n;

/** Of this process. Every right when the kernel does not tell. */
export function ownRights(): Rights {
  const uid = process.geteuid?.() ?? 0;
  try {
    const permitted = /^CapPrm:\t([0-9a-f]+)$/mu.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return { uid, capabilities: BigInt(`0x${permitted ?? 'f'}`) };
  } catch {
    return { uid, capabilities: -1n };
  }
}

/**
 * How far the keyholder is kept apart from the core: `same user` as its child, `own user` when the core's rights end at it,
 * else why its own process is not enough.
 */
export function describeIsolation(
  keyholder: { readonly isolation: string; readonly uid: number },
  core: Rights,
): string {
  if (keyholder.isolation === 'same user') return keyholder.isolation;
  if ((core.capabilities & ~CAP_NET_BIND_SERVICE) !== 0n) return 'own process; the core has rights of root';
  return keyholder.uid === core.uid ? 'own process, same user' : 'own user';
}
