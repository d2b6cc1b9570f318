import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type KpHsId, openCookie, openDescriptor, type TimePeriod } from '../../src/descriptor/index.ts';
import { deriveHostKey, parseHostKeySource } from '../../src/pkcs11/host-key.ts';
import { openState, wipeState } from '../../src/pkcs11/state-codec.ts';
import type { Needle } from './memory-scan.ts';

/**
 * What a keyholder has on disk: the seed and secret of each period key of each service, and what its state is sealed with.
 * Copies: the test looks for them in other processes. `hostKey` is a `file:` source.
 */
export function keyholderNeedles({
  state,
  hostKey,
}: {
  readonly state: string;
  readonly hostKey: string;
}): Needle[] {
  const source = parseHostKeySource(hostKey);
  const key = deriveHostKey(source, 'onion-signer keyholder state');
  const opened = openState(readFileSync(join(state, 'state')), key);
  const needles = opened.services.flatMap(({ kpHsId, periods }) => {
    const of = Buffer.from(kpHsId).toString('hex', 0, 4);
    return periods.flatMap(({ periodNum, key: signing, secret }) => [
      ...(signing.kind === 'seed'
        ? [{ name: `seed ${of} ${periodNum}`, bytes: signing.seed.use(bytes => Uint8Array.from(bytes)) }]
        : []),
      { name: `secret ${of} ${periodNum}`, bytes: secret.use(bytes => Uint8Array.from(bytes)) },
    ]);
  });
  const stateKey = { name: 'state key', bytes: key.use(bytes => Uint8Array.from(bytes)) };
  wipeState(opened);
  key.wipe();
  if (source.kind !== 'file') throw new Error('only a host key in a file can be read here');
  return [...needles, stateKey, { name: 'host key', bytes: readFileSync(source.path) }];
}

/** The descriptor cookies of texts, as the client finds them that has this private key (32 bytes); none of texts without it. */
export function cookieNeedles(
  texts: readonly string[],
  { kpHsId, periods, client }: { kpHsId: KpHsId; periods: readonly TimePeriod[]; client: Uint8Array },
): Needle[] {
  const cookies = new Map<string, Needle>();
  for (const text of texts) {
    const { middle, subcredential, period } = openDescriptor(Buffer.from(text), { kpHsId, periods });
    const bytes = openCookie(client, middle, subcredential);
    if (bytes === undefined) continue;
    const hex = Buffer.from(bytes).toString('hex');
    cookies.set(hex, { name: `cookie ${cookies.size} of period ${period.periodNum}`, bytes });
  }
  return [...cookies.values()];
}

/** The paths of a keyholder that is the child of a core with this state folder. */
export const keyholderPaths = (state: string): { state: string; hostKey: string } => ({
  state: join(state, 'keyholder'),
  hostKey: `file:${join(state, 'host.key')}`,
});
