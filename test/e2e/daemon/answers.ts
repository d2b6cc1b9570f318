import { beforeAll, expect, test } from 'vitest';
import {
  certExpiryHours,
  openDescriptor,
  openDescriptorWithNoble,
  publishablePeriods,
  samePoint,
} from '../../../src/descriptor/index.ts';
import type { ServicesAnswer, SignAnswer } from '../../../src/signer/contract/requests.ts';
import { openCheckpoint, parseNoteVerifier } from '../../../src/signer/contract/signed-note.ts';
import { keyholderPid } from '../process-tree.ts';
import { goodRequest, nowSeconds } from './backends.ts';
import type { SignerHome } from './home.ts';
import { get, sayRaw } from './http.ts';
import { openWithStem } from './stem.ts';
import { certifiedKeys, commonKeys, openText } from './texts.ts';

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
    expect(shelf.length).toBeGreaterThanOrEqual(live.length * 2);
    for (const { useFrom } of shelf) {
      expect(useFrom).toBeGreaterThan(now);
      expect(useFrom).toBeLessThanOrEqual(now + runwaySeconds);
    }
    for (const descriptor of answer.descriptors) {
      for (const open of [openDescriptor, openDescriptorWithNoble]) {
        const { inner, outer, cert } = openText(home, descriptor, open);
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

  test('ends when it is told to, although a publisher holds a request open', async () => {
    const head = 'POST /v1/descriptors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const held = sayRaw(home.socket(), `${head}Content-Length: 100\r\n\r\n{`);
    // Connections are taken in their order: once this one is answered, the other is held.
    await home.status();
    const stopping = Date.now();
    expect(await home.stop()).toBe(0);
    // The signer's own limit for a request is thirty seconds.
    expect(Date.now() - stopping).toBeLessThan(15_000);
    expect(await held).toBe('');
  });

  test('keeps KP_hs_desc_sign and old answers over a restart', async () => {
    const { request, answer } = good;
    const { checkpoint: _, ...first } = answer;
    // Without a shelf the tests from here on spend only the seconds in which they ask.
    await home.configure({ runway: '1s' });
    await home.succeed('policy', 'apply', '--yes');
    await home.start();
    const { checkpoint: __, ...again } = await home.sign(request);
    expect(again).toEqual(first);
    const fresh = await home.sign(goodRequest(home).request);
    const [before, after] = commonKeys(home, first, fresh);
    expect(before.length).toBeGreaterThan(0);
    expect(after).toEqual(before);
    expect(new Set(certifiedKeys(home, fresh).values()).size).toBe(2);
  });

  test('serves again after its keyholder was killed, with the same keys', async () => {
    const before = await home.sign(goodRequest(home).request);
    const killed = await keyholderPid(home.daemon.pid);
    process.kill(killed, 'SIGKILL');
    const after = await home.sign(goodRequest(home).request);
    expect(await keyholderPid(home.daemon.pid)).not.toBe(killed);
    const [old, kept] = commonKeys(home, before, after);
    expect(old.length).toBeGreaterThan(0);
    expect(kept).toEqual(old);
  });
}
