import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  certExpiryHours,
  innerCertExpiryHours,
  openDescriptor,
  timePeriod,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { SignerError } from '../../src/signer/contract/problems.ts';
import { openJournal } from '../../src/signer/journal/journal.ts';
import { settleMeasures, takeMeasure } from '../../src/signer/operator.ts';
import { type SignOutcome, signDescriptor } from '../../src/signer/sign-descriptor.ts';
import { describeStatus } from '../../src/signer/status.ts';
import { expectCodeOf } from '../pkcs11/expect-code.ts';
import { createRig, now, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig, OTHER_PUBLISHER, PUBLISHER } from './core-rig.ts';
import { rejection } from './failure.ts';

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  keyholder = rig.keyholder();
  await keyholder.prepare();
  await nextSecond();
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});
beforeEach(async () => {
  core = new CoreRig(rig, keyholder, '{ points: 2..20 }');
  // The keyholder knows fences of the tests before; this journal is new.
  await settleMeasures(core.core);
});
afterEach(async () => {
  keyholder.freeze(rig.alpha, false);
  core.dispose();
});

const nextSecond = (): Promise<unknown> =>
  new Promise(resolve => setTimeout(resolve, 1000 - (Date.now() % 1000)));

/** Signs, again in the next second while this one is spent. */
async function sign(publisher = PUBLISHER): Promise<SignOutcome> {
  for (;;) {
    const outcome = await signDescriptor(core.core, publisher, core.request()).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'SECOND_SPENT') return undefined;
      throw error;
    });
    const isSpent = outcome?.kind === 'denied' && outcome.denied.rule === 'ONE-PER-SECOND';
    if (outcome !== undefined && !isSpent) return outcome;
    await nextSecond();
  }
}

const kinds = (): string[] => [...core.core.journal.archive.entries()].map(({ entry }) => entry.kind);
const stateOf = async (service: string): Promise<string | undefined> =>
  (await describeStatus(core.context, undefined)).services.find(each => each.service === service)?.state;

describe('an evicted publisher', () => {
  it('is signed for no more, not even what was already being signed, until it is let in again', async () => {
    const { journal } = core.core;
    expect(await sign()).toMatchObject({ kind: 'signed' });
    // Evicted while its request is with the keyholder.
    const inner = core.core.keyholder.sign.bind(core.core.keyholder);
    let evict = true;
    Object.assign(core.core.keyholder, {
      sign: async (order: Parameters<typeof inner>[0]) => {
        const signed = await inner(order);
        if (evict) await journal.measures.record({ kind: 'evicted', publisher: PUBLISHER }, now());
        evict = false;
        return signed;
      },
    });
    expect((await rejection(sign())).code).toBe('PUBLISHER_UNKNOWN');
    expect(kinds().slice(-3)).toEqual(['released', 'reserved', 'evicted']);
    expect((await rejection(sign())).code).toBe('PUBLISHER_UNKNOWN');
    const again = await takeMeasure(core.core, { kind: 'evicted', publisher: PUBLISHER });
    expect([again.changed, kinds().filter(kind => kind === 'evicted').length]).toEqual([false, 1]);
    expect(journal.measures.inForce.evicted).toEqual([PUBLISHER]);
    await takeMeasure(core.core, { kind: 'readmitted', publisher: PUBLISHER });
    expect(await sign()).toMatchObject({ kind: 'signed' });
  });

  it('stays out over a restart, and the fold of the entries says so', async () => {
    await sign();
    await takeMeasure(core.core, { kind: 'evicted', publisher: PUBLISHER });
    const before = core.core.journal.exposure.of('alpha', PUBLISHER);
    core.core.journal.close();
    const again = openJournal({ path: `${core.folder}/journal.sqlite`, now });
    try {
      expect(again.measures.inForce.isEvicted(PUBLISHER)).toBe(true);
      expect(again.measures.inForce.isEvicted(OTHER_PUBLISHER)).toBe(false);
      expect(before).toBeDefined();
      expect(again.exposure.of('alpha', PUBLISHER)).toEqual(before);
    } finally {
      again.close();
    }
  });

  it('is told with what it may hold: nothing that was released outlives the time that is named', async () => {
    const outcome = await sign();
    if (outcome.kind !== 'signed') throw new Error('denied');
    const { services } = await takeMeasure(core.core, { kind: 'evicted', publisher: PUBLISHER });
    const { lastUse = 0, exposureEnd = 0 } = services.find(({ service }) => service === 'alpha') ?? {};
    const { descriptors } = outcome.answer;
    expect(lastUse).toBe(Math.max(...descriptors.map(({ useFrom }) => useFrom)));
    expect(exposureEnd).toBe(certExpiryHours(lastUse) * 3600);
    const opens = (text: string, periodNum: number, nowSeconds: number): boolean => {
      const periods = [timePeriod(TOR_NETWORK, periodNum)];
      try {
        openDescriptor(Buffer.from(text), { kpHsId: rig.alpha, periods, nowSeconds });
        return true;
      } catch {
        return false;
      }
    };
    const alive = (at: number): number =>
      descriptors.filter(({ text, period }) => opens(text, period.periodNum, at)).length;
    // The certificates within end up to an hour before that of type 08.
    const lastSecond = innerCertExpiryHours(lastUse) * 3600 - 1;
    expect([alive(lastUse), alive(lastSecond) > 0]).toEqual([descriptors.length, true]);
    expect([lastSecond < exposureEnd, alive(exposureEnd)]).toEqual([true, 0]);
  });

  it('must be a publisher that somebody knows', async () => {
    const typo = takeMeasure(core.core, { kind: 'evicted', publisher: 'vps9' });
    expect((await rejection(typo)).code).toBe('BAD_VALUE');
    const service = takeMeasure(core.core, { kind: 'frozen', service: 'gamma' });
    expect((await rejection(service)).code).toBe('BAD_VALUE');
  });
});

describe('a frozen service', () => {
  it('is signed for neither by the core nor by the keyholder, until it is thawed', async () => {
    await sign();
    const report = await takeMeasure(core.core, { kind: 'frozen', service: 'alpha' });
    expect(report).toMatchObject({ changed: true, settled: true, services: [{ service: 'alpha' }] });
    expect((await rejection(sign())).code).toBe('FROZEN');
    expect([await stateOf('alpha'), await stateOf('beta')]).toEqual(['frozen', 'ready']);
    // A core that has forgotten it meets the keyholder's own mark.
    const order = { kpHsId: rig.alpha, listSerial: rig.listSerial, points: [], targets: [] };
    await expectCodeOf('SERVICE_FROZEN', keyholder.sign(order));
    await takeMeasure(core.core, { kind: 'thawed', service: 'alpha' });
    expect(await sign()).toMatchObject({ kind: 'signed' });
    expect(await stateOf('alpha')).toBe('ready');
  });

  it('is frozen in the journal although the keyholder is away, which is told later', async () => {
    const freeze = core.core.keyholder.freeze.bind(core.core.keyholder);
    Object.assign(core.core.keyholder, {
      freeze: async () => Promise.reject(new SignerError('KEYHOLDER_UNAVAILABLE', 'away')),
    });
    expect(await takeMeasure(core.core, { kind: 'frozen', service: 'alpha' })).toMatchObject({
      settled: false,
    });
    expect((await rejection(sign())).code).toBe('FROZEN');
    expect(keyholder.status().services[0]!.frozen).toBe(false);
    Object.assign(core.core.keyholder, { freeze });
    await settleMeasures(core.core);
    expect(keyholder.status().services[0]!.frozen).toBe(true);
  });
});

describe('a fence', () => {
  const signed = async (): Promise<Extract<SignOutcome, { kind: 'signed' }>['answer']> => {
    const outcome = await sign();
    if (outcome.kind !== 'signed') throw new Error('denied');
    return outcome.answer;
  };
  /** Counters of each period, lowest first. */
  const countersOf = ({ descriptors }: Awaited<ReturnType<typeof signed>>): Map<number, bigint[]> => {
    const counters = new Map<number, bigint[]>();
    for (const { period, revisionCounter } of descriptors)
      counters.set(period.periodNum, [...(counters.get(period.periodNum) ?? []), BigInt(revisionCounter)]);
    return counters;
  };
  const isAbove = (later: Map<number, bigint[]>, earlier: Map<number, bigint[]>): boolean =>
    [...earlier].every(([num, old]) => {
      const fresh = later.get(num) ?? [];
      return fresh.length > 0 && fresh.every(counter => old.every(each => each < counter));
    });

  it('puts every later text above all that were released, at once, with certificates of its own time', async () => {
    const before = await signed();
    const unfenced = await signed();
    // The control: without a fence what is signed now lies below the shelf of before.
    expect(isAbove(countersOf(unfenced), countersOf(before))).toBe(false);
    const report = await takeMeasure(core.core, { kind: 'fenced', service: 'alpha' });
    expect(report).toMatchObject({ settled: true, services: [{ service: 'alpha' }] });
    const after = await signed();
    for (const old of [before, unfenced]) expect(isAbove(countersOf(after), countersOf(old))).toBe(true);
    expect(after.descriptors[0]!.useFrom).toBeLessThanOrEqual(now());
    for (const { text, period, useFrom } of after.descriptors) {
      const periods = [timePeriod(TOR_NETWORK, period.periodNum)];
      const opened = openDescriptor(Buffer.from(text), { kpHsId: rig.alpha, periods, nowSeconds: useFrom });
      expect(opened.cert.expiryHours).toBe(certExpiryHours(useFrom));
    }
    // And those that follow stay in their order.
    expect(isAbove(countersOf(await signed()), countersOf(before))).toBe(true);
    expect(core.core.latched.size).toBe(0);
  });

  it('is told by the journal alone, over a restart; the exposure counts by the time of use', async () => {
    await signed();
    await takeMeasure(core.core, { kind: 'fenced', service: 'alpha' });
    const { descriptors } = await signed();
    const lastUse = Math.max(...descriptors.map(({ useFrom }) => useFrom));
    expect(core.core.journal.exposure.of('alpha')).toMatchObject({ lastUse });
    const { longestLead } = core.core.journal.measures.inForce;
    expect(longestLead).toBeGreaterThan(0);
    core.core.journal.close();
    const again = openJournal({ path: `${core.folder}/journal.sqlite`, now });
    try {
      expect(again.exposure.of('alpha')).toMatchObject({ lastUse });
      expect(again.measures.inForce.longestLead).toBe(longestLead);
    } finally {
      again.close();
    }
  });

  it('gives no answer of before it again, and releases nothing that was reserved before it', async () => {
    const request = core.request();
    const ask = (): Promise<SignOutcome> => signDescriptor(core.core, PUBLISHER, request);
    await nextSecond();
    expect(await ask()).toMatchObject({ kind: 'signed', repeated: false });
    expect(await ask()).toMatchObject({ kind: 'signed', repeated: true });
    await takeMeasure(core.core, { kind: 'fenced', service: 'alpha' });
    expect((await rejection(ask())).code).toBe('REQUEST_ID_REUSED');
    const inner = core.core.keyholder.sign.bind(core.core.keyholder);
    Object.assign(core.core.keyholder, {
      sign: async (order: Parameters<typeof inner>[0]) => {
        const texts = await inner(order);
        await takeMeasure(core.core, { kind: 'fenced', service: 'alpha' });
        return texts;
      },
    });
    await nextSecond();
    expect((await rejection(sign())).code).toBe('FENCED');
    expect(kinds().slice(-3)).toEqual(['reserved', 'fencing', 'fenced']);
    Object.assign(core.core.keyholder, { sign: inner });
    expect(await sign()).toMatchObject({ kind: 'signed' });
  });

  it('that the journal does not know yet lets nothing out until the two are in step', async () => {
    await signed();
    keyholder.fence(rig.alpha);
    await nextSecond();
    expect((await rejection(sign())).code).toBe('FENCED');
    expect(core.core.latched.size).toBe(0);
    await settleMeasures(core.core);
    expect(await sign()).toMatchObject({ kind: 'signed' });
  });

  it.each(['fenced', 'evicted'] as const)(
    'that finds the keyholder away (%s) is raised when it is back, over a restart too; until then nothing is signed',
    async kind => {
      const before = await signed();
      const fence = core.core.keyholder.fence.bind(core.core.keyholder);
      const gone = new SignerError('KEYHOLDER_UNAVAILABLE', 'away');
      Object.assign(core.core.keyholder, { fence: () => Promise.reject(gone) });
      const order = kind === 'fenced' ? { kind, service: 'alpha' } : { kind, publisher: OTHER_PUBLISHER };
      // The other publisher has had texts of it in its day.
      core.core.journal.exposure.note(OTHER_PUBLISHER, 'alpha', 1);
      expect(await takeMeasure(core.core, order)).toMatchObject({ settled: false });
      expect((await rejection(sign())).code).toBe('FENCED');
      expect(await stateOf('alpha')).toBe('down');
      // Ordered once, whoever orders it again.
      expect(await takeMeasure(core.core, order)).toMatchObject({ settled: false });
      core.reopenJournal();
      expect((await rejection(sign())).code).toBe('FENCED');
      Object.assign(core.core.keyholder, { fence });
      await settleMeasures(core.core);
      expect(kinds().filter(each => each === 'fencing')).toHaveLength(kind === 'fenced' ? 1 : 2);
      expect(await stateOf('alpha')).toBe('ready');
      expect(isAbove(countersOf(await signed()), countersOf(before))).toBe(true);
    },
  );

  it('of a service for which nothing was spent ends at once', async () => {
    const report = await takeMeasure(core.core, { kind: 'fenced', service: 'beta' });
    expect([report.settled, kinds().slice(-2)]).toEqual([true, ['fencing', 'fenced']]);
    expect(core.core.journal.measures.inForce.isFencing('beta')).toBe(false);
  });

  it('follows an eviction by itself, and leaves other services alone', async () => {
    const before = await signed();
    await takeMeasure(core.core, { kind: 'evicted', publisher: PUBLISHER });
    expect(kinds().slice(-3)).toEqual(['evicted', 'fencing', 'fenced']);
    await takeMeasure(core.core, { kind: 'readmitted', publisher: PUBLISHER });
    expect(isAbove(countersOf(await signed()), countersOf(before))).toBe(true);
    expect(keyholder.status().services[1]!.periods.every(({ lead }) => lead === 0)).toBe(true);
  });
});
