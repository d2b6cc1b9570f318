/**
 * Collects descriptors of stock tor on a private network, makes as many of ours for the same seconds and prints the
 * comparison. Argument: how many services (two descriptors each), 150 when not given.
 */
import { randomBytes } from 'node:crypto';
import { proveEvidence } from '../../src/descriptor/evidence.ts';
import { toHex } from '../../src/descriptor/bytes.ts';
import type { Bytes, Evidence, NetworkProfile } from '../../src/descriptor/index.ts';
import { openDescriptor } from '../../src/descriptor/open.ts';
import { testNetwork } from '../../src/descriptor/time.ts';
import type { ChosenPoints } from '../../src/pkcs11/evidence-store.ts';
import { choosePoints } from '../../src/publisher/choose.ts';
import { noise } from '../descriptor/forge.ts';
import { startTorNetwork } from '../tor-network/tor-network.ts';
import { compare, formatFigures } from './compare.ts';
import { inTurns, watchFetches } from './fetch-text.ts';
import { type Observed, observe } from './observe.ts';
import { OurService } from './ours.ts';
import { openStock, rebuild } from './rebuild.ts';
import { type StockDescriptor, StockServices } from './stock.ts';

const VOTING_INTERVAL = 10;
const RUN_SECONDS = 24 * VOTING_INTERVAL;
const FETCHES_AT_ONCE = 16;

/** A network with `services` onion services of two stock tors; one more of each tor has key files, the second clients. */
export async function startStock(
  services: number,
  log: (line: string) => void = () => undefined,
): Promise<StockServices> {
  const network = await startTorNetwork({
    backends: 2,
    votingIntervalSeconds: VOTING_INTERVAL,
    consensusParams: 'sparse',
    holdBackends: true,
    log,
  });
  const stock = new StockServices(network, testNetwork('private', VOTING_INTERVAL));
  try {
    await watchFetches(network.client);
    const [open, restricted] = network.backends;
    await stock.startBackend(open!);
    // More than one padding's worth of client lines.
    await stock.startBackend(
      restricted!,
      Array.from({ length: 17 }, () => new Uint8Array(randomBytes(32))),
    );
    for (const backend of network.backends) await stock.addServices(backend, Math.ceil(services / 2));
    await stock.uploading();
    log(`network: ${stock.services.length} services upload`);
    return stock;
  } catch (error) {
    await network.stop();
    throw error;
  }
}

/**
 * Both descriptors of every service: in the second half of a shared random run, for which this waits, its tor shows the
 * older one and clients fetch the newer.
 */
export async function collectBoth(
  stock: StockServices,
  log: (line: string) => void = () => undefined,
): Promise<StockDescriptor[]> {
  const { client } = stock.network;
  let validAfter = await client.consensusValidAfter();
  const age = (): number => validAfter % RUN_SECONDS;
  while (age() < RUN_SECONDS / 2 + VOTING_INTERVAL || age() > RUN_SECONDS - 4 * VOTING_INTERVAL)
    validAfter = await client.consensusAfter(validAfter);
  log('network: the newer descriptors are those that clients fetch');
  const older = await inTurns(stock.services, FETCHES_AT_ONCE, each => stock.current(each));
  const newer = await inTurns(stock.services, FETCHES_AT_ONCE, each => stock.fetched(each));
  return [...older, ...newer];
}

/** Stock tor's descriptors of unrestricted services, and for each one of ours: same second, same points. */
export async function observeBoth(
  descriptors: readonly StockDescriptor[],
  profile: NetworkProfile,
): Promise<{ stock: Observed[]; ours: Observed[] }> {
  const stock: Observed[] = [];
  const ours: Observed[] = [];
  for (const [index, descriptor] of descriptors.entries()) {
    const { text, service, period } = descriptor;
    if (service.clients.length > 0) continue;
    const { opened, second } = rebuild(descriptor, profile);
    stock.push(observe(text, opened, second, profile));
    const evidence = proveEvidence(text, { backend: service.kpHsId, profile, periods: [period] });
    const our = new OurService(`distribution ${index}`, profile);
    const made: Bytes = await our.build(period, second, chooseAll(evidence, `order ${index}`));
    const reopened = openDescriptor(made, { kpHsId: our.kpHsId, periods: [period] });
    ours.push(observe(made, reopened, second, profile));
  }
  return { stock, ours };
}

/**
 * Stock tor's descriptors of restricted services, and for each one of ours: same second, same clients, as many points of an
 * open service of the same period.
 */
export async function observeRestricted(
  descriptors: readonly StockDescriptor[],
  profile: NetworkProfile,
): Promise<{ stock: Observed[]; ours: Observed[] }> {
  const restricted = descriptors.filter(({ service }) => service.clients.length > 0);
  const both: { stock: Observed; ours: Observed }[] = [];
  for (const [index, descriptor] of restricted.entries()) {
    const { text, period } = descriptor;
    const { clients } = descriptor.service;
    const open = descriptors.find(
      ({ service, period: { periodNum } }) => service.clients.length === 0 && periodNum === period.periodNum,
    );
    if (open === undefined) throw new Error('no open service has a descriptor of this period');
    const { opened, second } = rebuild(descriptor, profile);
    const { kpHsId: backend } = open.service;
    const evidence = proveEvidence(open.text, { backend, profile, periods: [period] });
    const our = new OurService(`restricted ${index}`, profile);
    const made = await our.build(period, second, chooseAll(evidence, `restricted ${index}`), clients);
    const twin = { ...descriptor, text: made, service: { ...descriptor.service, kpHsId: our.kpHsId } };
    both.push({
      stock: observe(text, opened, second, profile),
      ours: observe(made, openStock(twin), second, profile),
    });
  }
  return { stock: both.map(each => each.stock), ours: both.map(each => each.ours) };
}

/** All points of one backend, in the order that the publisher would ask for. */
export function chooseAll(evidence: Evidence, seed: string): ChosenPoints {
  const available = evidence.points.map(({ authKey }, index) => ({
    key: `${evidence.digest} ${index}`,
    authKey: toHex(authKey),
    backend: 'backend',
    evidence: evidence.digest,
    index,
  }));
  let drawn = 0;
  const rng = (below: number): number => Buffer.from(noise(`${seed} ${drawn++}`, 6)).readUIntBE(0, 6) % below;
  const choice = choosePoints(available, [], { minPoints: 1, maxPoints: 20, minBackends: 1 }, rng);
  if (!choice.ok) throw new Error(choice.rule);
  return { points: choice.points.map(({ index }) => evidence.points[index]!), evidence: [evidence] };
}

if (import.meta.main) {
  const log = (line: string): void => {
    if (line.startsWith('network:')) process.stderr.write(`${line}\n`);
  };
  const stock = await startStock(Number(process.argv[2] ?? 150), log);
  try {
    const descriptors = await collectBoth(stock, log);
    const rebuilt = descriptors.filter(
      each => Buffer.compare(rebuild(each, stock.profile).text, each.text) === 0,
    );
    const both = await observeBoth(descriptors, stock.profile);
    process.stdout.write(
      `${descriptors.length} texts of stock tor, ${rebuilt.length} rebuilt byte for byte\n\n`,
    );
    process.stdout.write(`${formatFigures(compare(both.stock, both.ours))}\n`);
  } finally {
    await stock.network.stop();
  }
}
