import { formatOnionAddress, type NetworkProfile, timePeriodAt } from '../../src/descriptor/index.ts';
import { fetchRing, readNetworkView } from '../../src/publisher/network-view.ts';
import { SocksError } from '../../src/publisher/socks.ts';
import { forge } from '../descriptor/forge.ts';
import type { TorNetwork } from '../tor-network/tor-network.ts';

/**
 * Uploads a descriptor of a service that does not exist to the right directory or to a wrong one, and says with which
 * SOCKS code the client then fails: its points lead nowhere, so it fails either way, but not in the same way.
 */
export async function fetchAfterUpload(
  network: TorNetwork,
  profile: NetworkProfile,
  { label, wrong }: { readonly label: string; readonly wrong: boolean },
): Promise<string> {
  const { control } = network.publisher;
  const view = await readNetworkView(control);
  const period = timePeriodAt(profile, view.validAfter);
  const { text, kpHsId } = forge({ label, period, at: Math.floor(Date.now() / 1000), counter: 1000n });
  const ring = fetchRing(view, profile, kpHsId).hsdirs;
  const [right] = ring;
  const stranger = view.hsdirs.map(({ fingerprint }) =>
    Buffer.from(fingerprint).toString('hex').toUpperCase(),
  );
  const server = wrong ? stranger.find(each => !ring.includes(each)) : right;
  if (server === undefined) throw new Error('the network has no such directory');
  const address = formatOnionAddress(kpHsId).replace('.onion', '');
  await control.setEvents(['HS_DESC', 'NEWCONSENSUS', 'STATUS_CLIENT']);
  const stored = control.waitFor(
    'HS_DESC',
    event => event.action === 'UPLOADED' && event.address === address,
  );
  await control.hsPost(Buffer.from(text).toString('latin1'), [server], address);
  await stored;
  try {
    await network.fetch(`${address}.onion`, '/', { isolation: label });
    return 'opened';
  } catch (error) {
    if (error instanceof SocksError) return error.code;
    throw error;
  }
}
