import { beforeAll, expect, test } from 'vitest';
import {
  certExpiryHours,
  openDescriptor,
  openDescriptorWithNoble,
  parseOnionAddress,
  publishablePeriods,
  samePoint,
  timePeriod,
  toHex,
} from '../../../src/descriptor/index.ts';
import type { ServicesAnswer, SignAnswer, SignedDescriptor } from '../../../src/signer/contract/requests.ts';
import { openCheckpoint, parseNoteVerifier } from '../../../src/signer/contract/signed-note.ts';
import { keyholderPid } from '../process-tree.ts';
import { goodRequest, nowSeconds } from './backends.ts';
import type { SignerHome } from './home.ts';
import { get } from './http.ts';
import { openWithStem } from './stem.ts';

/** What the daemon answers to good requests, now and after restarts. */
export function describeAnswers(homeOf: () => SignerHome): void {
  let home: SignerHome;
  let good: ReturnType<typeof goodRequest> & { answer: SignAnswer; asked: { from: number; to: number } };
  beforeAll(async () => {
    home = homeOf();
    await home.start();
    const from = nowSeconds();
    const request = goodRequest(home);
    good = { ...request, answer: await home.sign(request.request), asked: { from, to: nowSeconds() } };
  });

  const opened = ({ text, period, useFrom }: SignedDescriptor, open = openDescriptor) =>
    open(Buffer.from(text, 'latin1'), {
      kpHsId: parseOnionAddress(home.address('frontpage')),
      periods: [timePeriod(home.profile, period.periodNum)],
      nowSeconds: useFrom,
    });

  /** Period → the certified KP_hs_desc_sign. */
  const certifiedKeys = ({ descriptors }: SignAnswer) =>
    new Map(descriptors.map(each => [each.period.periodNum, toHex(opened(each).kpHsDescSign)]));

  test('tells a publisher its own services and no other', async () => {
    const { services } = await get<ServicesAnswer>(home.socket(), '/v1/services');
    expect(services.map(({ service, address }) => [service, address])).toEqual([
      ['frontpage', home.address('frontpage')],
    ]);
  });

  test('answers with a text for now and a shelf for later, which open as a client opens them', async () => {
    const { answer, points, asked } = good;
    const now = answer.descriptors[0]!.useFrom;
    expect(now).toBeGreaterThanOrEqual(asked.from);
    expect(now).toBeLessThanOrEqual(asked.to);
    const live = answer.descriptors.filter(({ useFrom }) => useFrom === now);
    expect(live.map(({ period }) => period)).toEqual(publishablePeriods(home.profile, now));
    const { runwaySeconds } = await home.status();
    const shelf = answer.descriptors.slice(live.length);
    expect(shelf.length).toBeGreaterThanOrEqual(live.length * 5);
    for (const { useFrom } of shelf) {
      expect(useFrom).toBeGreaterThan(now);
      expect(useFrom).toBeLessThanOrEqual(now + runwaySeconds);
    }
    for (const descriptor of answer.descriptors) {
      for (const open of [openDescriptor, openDescriptorWithNoble]) {
        const { inner, outer, cert } = opened(descriptor, open);
        const found = inner?.introductionPoints ?? [];
        expect(found).toHaveLength(points.length);
        for (const [i, point] of points.entries()) expect(samePoint(found[i]!, point)).toBe(true);
        expect(outer.revisionCounter.toString()).toBe(descriptor.revisionCounter);
        expect(cert.expiryHours).toBe(certExpiryHours(descriptor.useFrom));
      }
    }
  });

  test('gives texts that stem opens, with counters that ascend in each period', () => {
    const { address, descriptors } = good.answer;
    expect(address).toBe(home.address('frontpage'));
    const texts = descriptors.map(({ text }) => text);
    const changed = texts[0]!.replace('lifetime 180', 'lifetime 170');
    const read = openWithStem([...texts, changed], address);
    const authKeys = good.points.map(({ authKey }) => ({ authKey: Buffer.from(authKey).toString('base64') }));
    for (const [i, { revisionCounter }] of descriptors.entries()) {
      expect(read[i]).toMatchObject({ revisionCounter, points: authKeys });
    }
    expect(read.at(-1)).toEqual({ refused: expect.any(String) as string });
    for (const periodNum of new Set(descriptors.map(({ period }) => period.periodNum))) {
      const own = descriptors.filter(({ period }) => period.periodNum === periodNum);
      const times = own.map(({ useFrom }) => useFrom);
      expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
      const counters = own.map(({ revisionCounter }) => BigInt(revisionCounter));
      for (const [i, counter] of counters.slice(1).entries()) expect(counter > counters[i]!).toBe(true);
    }
  });

  test('carries a checkpoint that the key of the status verifies, and takes it back', async () => {
    const { checkpointKey } = await home.status();
    const { checkpoint } = good.answer;
    const next = await home.sign({ ...goodRequest(home).request, checkpoint });
    const sizes = [checkpoint, next.checkpoint].map(
      note => openCheckpoint(note, parseNoteVerifier(checkpointKey)).size,
    );
    // One entry spends the seconds, one releases.
    expect(sizes[1]).toBe(sizes[0]! + 2);
  });

  test('gives the same answer to the same id, and refuses the id for another body', async () => {
    const { request } = goodRequest(home);
    const first = await home.sign(request);
    const again = await home.ask(request);
    expect(JSON.parse(again.body)).toEqual(first);
    const other = await home.ask({ ...request, points: request.points.toReversed() });
    expect(other.status).toBe(409);
    expect(other.headers['content-type']).toContain('application/problem+json');
    expect(JSON.parse(other.body)).toMatchObject({ code: 'REQUEST_ID_REUSED', status: 409 });
  });

  test('keeps KP_hs_desc_sign and old answers over a restart', async () => {
    const { request } = goodRequest(home);
    const { checkpoint: _, ...first } = await home.sign(request);
    expect(await home.stop()).toBe(0);
    // Without a shelf the tests from here on spend only the seconds in which they ask.
    await home.configure({ runway: '1s' });
    await home.succeed('policy', 'apply', '--yes');
    await home.start();
    const { checkpoint: __, ...again } = await home.sign(request);
    expect(again).toEqual(first);
    const fresh = await home.sign(goodRequest(home).request);
    const [before, after] = [certifiedKeys({ ...first, checkpoint: '' }), certifiedKeys(fresh)];
    const common = [...before.keys()].filter(periodNum => after.has(periodNum));
    expect(common.length).toBeGreaterThan(0);
    for (const periodNum of common) expect(after.get(periodNum)).toBe(before.get(periodNum));
    expect(new Set(after.values()).size).toBe(after.size);
  });

  test('serves again after its keyholder was killed, with the same keys', async () => {
    const before = await home.sign(goodRequest(home).request);
    const killed = await keyholderPid(home.daemon.pid);
    process.kill(killed, 'SIGKILL');
    const after = await home.sign(goodRequest(home).request);
    expect(await keyholderPid(home.daemon.pid)).not.toBe(killed);
    const keys = certifiedKeys(after);
    for (const [periodNum, key] of certifiedKeys(before))
      expect([key, undefined]).toContain(keys.get(periodNum));
    expect([...certifiedKeys(before).keys()].some(periodNum => keys.has(periodNum))).toBe(true);
  });
}
