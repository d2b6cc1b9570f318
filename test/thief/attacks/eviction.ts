import type { SignedDescriptor } from '../../../src/signer/contract/requests.ts';
import type { MeasureReport } from '../../../src/signer/operator.ts';
import { expectSuccess } from '../../e2e/stage.ts';
import { type Attack, AttackSucceeded, mustHold, mustRefuse } from '../attack.ts';
import type { Thief } from '../thief.ts';

const THIEF = 'vps1';
const SUCCESSOR = 'vps2';
/** A period may end while it is tried: then what is fetched is of another one. */
const TRIES = 3;

/** Everything that was ever given, handed out again after the eviction: it loses against the successor's first upload. */
export const eviction: Attack = {
  ids: ['R4', 'O2'],
  title: 'everything it has, after its eviction',
  run: async thief => {
    if (thief.stage.publisher.running) await thief.silencePublisher();
    for (let tried = 1; tried <= TRIES; tried++) {
      const end = await tryOnce(thief);
      if (end !== undefined) return end;
    }
    throw new AttackSucceeded('the periods changed too often to say anything');
  },
};

async function tryOnce(thief: Thief): Promise<string | undefined> {
  const { periodNum, hsdirs } = await thief.ring();
  const banked = await bankOf(thief, periodNum);
  const newest = banked[0];
  if (newest === undefined) return undefined;
  for (const directory of hsdirs) await thief.upload(newest.text, directory);
  // The control: before the eviction this is what clients get, of a second that is still to come.
  const before = await servedBy(thief, hsdirs);
  const refused = await evictedFor(thief, async () => {
    const answer = await thief.askPatiently(await thief.honestRequest(), SUCCESSOR);
    mustHold(answer.status === 200, `the successor is not served: ${answer.status} ${answer.body}`);
    const { descriptors } = JSON.parse(answer.body) as { descriptors: SignedDescriptor[] };
    const [fresh] = ofPeriod(descriptors, periodNum).toReversed();
    if (fresh === undefined) return undefined;
    const taken: string[] = [];
    for (const directory of hsdirs) taken.push(await thief.upload(fresh.text, directory));
    for (const directory of hsdirs) taken.push(await thief.upload(newest.text, directory));
    for (const old of banked) taken.push(await thief.upload(old.text, hsdirs[0] ?? ''));
    return { fresh, taken, after: await servedBy(thief, hsdirs) };
  });
  const later = await thief.ring();
  if (refused === undefined || later.periodNum !== periodNum) return undefined;
  const { fresh, taken, after } = refused;
  mustHold(
    before.every(counter => counter === newest.revisionCounter),
    `before the eviction directories served ${before.join()}, not ${newest.revisionCounter}`,
  );
  mustHold(
    taken.slice(0, hsdirs.length).every(result => result === 'uploaded'),
    `the successor’s upload was not taken (${taken.slice(0, hsdirs.length).join()})`,
  );
  mustHold(!taken.slice(hsdirs.length).includes('uploaded'), 'an older text was taken');
  mustHold(
    after.every(counter => counter === fresh.revisionCounter),
    `directories serve ${after.join()}, not ${fresh.revisionCounter}`,
  );
  return `all ${hsdirs.length} directories serve the successor’s text; none of ${banked.length} older ones is taken`;
}

/** What the thief has of a period, the highest counter first. */
async function bankOf(thief: Thief, periodNum: number): Promise<readonly SignedDescriptor[]> {
  await thief.honest();
  return ofPeriod(thief.banked, periodNum);
}

const ofPeriod = (texts: readonly SignedDescriptor[], periodNum: number): SignedDescriptor[] =>
  texts
    .filter(({ period }) => period.periodNum === periodNum)
    .sort((a, b) => Number(BigInt(b.revisionCounter) - BigInt(a.revisionCounter)));

/** The revision counter of what each directory serves. */
async function servedBy(thief: Thief, hsdirs: readonly string[]): Promise<(string | undefined)[]> {
  const counters: (string | undefined)[] = [];
  for (const directory of hsdirs) {
    const text = await thief.fetch(directory);
    counters.push(/^revision-counter (\d+)$/mu.exec(text ?? '')?.[1]);
  }
  return counters;
}

/** Does `work` while the thief is evicted and another publisher has its service. */
async function evictedFor<T>(thief: Thief, work: () => Promise<T>): Promise<T> {
  const { stage } = thief;
  const take = async (verb: string): Promise<MeasureReport> =>
    JSON.parse(expectSuccess(verb, await stage.onionSigner(verb, THIEF, '--yes', '--json'))) as MeasureReport;
  mustRefuse('the successor before policy names it', await successor(thief), 'SERVICE_UNKNOWN');
  mustHold((await take('evict')).settled, 'the keyholder did not hear of the eviction');
  try {
    stage.servePublishers(SUCCESSOR);
    await stage.applyPolicy();
    return await work();
  } finally {
    stage.servePublishers(THIEF);
    await stage.applyPolicy();
    await take('readmit');
  }
}

const successor = async (thief: Thief) => await thief.ask(await thief.honestRequest(), SUCCESSOR);
