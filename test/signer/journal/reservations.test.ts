import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../../src/signer/journal/journal.ts';
import type { Reserved, ReserveOutcome, ReserveRequest } from '../../../src/signer/journal/reservations.ts';
import { rejection } from '../failure.ts';
import { KEY, NOW, OTHER_KEY, TestJournal, request, text } from './open-test-journal.ts';

let test: TestJournal;
let journal: Journal;
beforeEach(() => {
  test = new TestJournal();
  journal = test.journal;
});
afterEach(() => test.remove());

const release = (answer = 'answer') => ({ answer, texts: [text(answer)], evidence: [text('evidence')] });

function granted(outcome: ReserveOutcome): Reserved {
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
  return outcome.reserved;
}
const reserve = async (asked: ReserveRequest): Promise<Reserved> => granted(await journal.reserve(asked));
const kinds = (): string[] => [...journal.archive.entries()].map(({ entry }) => entry.kind);

describe('a reservation', () => {
  it('spends its seconds: the same key, variant and second is never given twice', async () => {
    const asked = request({ second: NOW + 5 });
    expect((await reserve(asked)).seconds).toEqual(asked.seconds);
    expect(await journal.reserve(request({ second: NOW + 5 }))).toEqual({
      kind: 'conflict',
      code: 'SECOND_SPENT',
      retryAfter: 1,
    });
    const neighbours = [
      { kpHsBlindId: KEY, variant: 0, second: NOW + 4 },
      { kpHsBlindId: KEY, variant: 0, second: NOW + 6 },
      { kpHsBlindId: KEY, variant: 1, second: NOW + 5 },
      { kpHsBlindId: OTHER_KEY, variant: 0, second: NOW + 5 },
    ];
    await reserve(request({ seconds: neighbours }));
    expect(await journal.reserve(request({ second: NOW + 4 }))).toMatchObject({ retryAfter: 3 });
  });

  it('takes all its seconds or none', async () => {
    const [taken, free] = [NOW + 1, NOW + 2].map(second => ({ kpHsBlindId: KEY, variant: 0, second }));
    await reserve(request({ seconds: [taken!] }));
    const before = journal.head();
    expect(await journal.reserve(request({ seconds: [free!, taken!] }))).toMatchObject({
      code: 'SECOND_SPENT',
    });
    expect(journal.head()).toEqual(before);
    await reserve(request({ seconds: [free!] }));
  });

  it('gives one winner to a hundred that ask at once', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, () => journal.reserve(request({ second: NOW + 7 }))),
    );
    expect(outcomes.filter(({ kind }) => kind === 'reserved')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'conflict')).toHaveLength(99);
  });

  it('is on disk when its promise resolves, all of one turn in one transaction', async () => {
    const asked = Array.from({ length: 50 }, () => request());
    await Promise.all(asked.map(one => reserve(one)));
    const again = test.reopen();
    expect(again.head().size).toBe(51);
    for (const { seconds } of asked) {
      expect(again.nextFreeSecond(KEY, 0, seconds[0]!.second)).toBeGreaterThan(seconds[0]!.second);
    }
  });

  it('accepts the ends of its bounds and refuses what lies outside', async () => {
    const one = { kpHsBlindId: KEY, variant: 0, second: NOW };
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ ...one, variant: 9, second: i }));
    for (const seconds of [[{ ...one, variant: 65_535 }], [{ ...one, second: 2 ** 40 }], many(512)]) {
      expect((await journal.reserve(request({ seconds }))).kind).toBe('reserved');
    }
    const before = journal.head();
    for (const seconds of [
      [],
      many(513),
      [one, one],
      [{ ...one, variant: -1 }],
      [{ ...one, variant: 65_536 }],
      [{ ...one, variant: 0.5 }],
      [{ ...one, second: -1 }],
      [{ ...one, second: 2 ** 40 + 1 }],
      [{ ...one, second: Number.NaN }],
      [{ ...one, kpHsBlindId: KEY.subarray(1) }],
    ]) {
      expect((await rejection(journal.reserve(request({ seconds })))).code).toBe('JOURNAL_MISUSE');
    }
    for (const change of [
      { publisher: 'A b' },
      { service: '' },
      { requestId: 'short' },
      { requestDigest: 'ab' },
    ]) {
      expect((await rejection(journal.reserve(request(change)))).code).toBe('JOURNAL_ENTRY');
    }
    expect(journal.head()).toEqual(before);
    await reserve(request());
  });

  it('undoes only the failing one of a turn', async () => {
    const good = request();
    const results = await Promise.allSettled([
      journal.reserve(good),
      journal.reserve(request({ publisher: 'A b' })),
      journal.reserve(request()),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(test.reopen().head().size).toBe(3);
  });

  it('counts for the rate of its publisher and service', async () => {
    await reserve(request());
    test.now += 3600;
    await reserve(request());
    await reserve(request({ publisher: 'vps2' }));
    expect(journal.reservationsSince('vps1', 'frontpage', NOW)).toBe(2);
    expect(journal.reservationsSince('vps1', 'frontpage', NOW + 1)).toBe(1);
    expect(journal.reservationsSince('vps2', 'frontpage', NOW)).toBe(1);
    expect(journal.reservationsSince('vps1', 'archive', NOW)).toBe(0);
  });

  it('is refused above the quota, while what was begun is finished', async () => {
    journal = test.reopen({ quotaBytes: 1_000_000 });
    const big = await reserve(request());
    await journal.release(big, { answer: 'x', texts: [new Uint8Array(1_200_000)], evidence: [] });
    expect((await rejection(journal.reserve(request()))).code).toBe('JOURNAL_FULL');
    expect(journal.stopped).toBeUndefined();
    await journal.refuse({
      publisher: 'vps1',
      service: 'frontpage',
      rule: 'POINT-COUNT',
      observed: '1',
      limit: '3',
    });
    expect(kinds()).toEqual(['genesis', 'reserved', 'released']);
    await journal.prune(journal.head().size, NOW + 1);
    await reserve(request());
  });
});

describe('free disk', () => {
  it('is kept above a floor: below it nothing is reserved and no refusal is written', async () => {
    const refuse = () =>
      journal.refuse({
        publisher: 'vps1',
        service: 'frontpage',
        rule: 'POINT-COUNT',
        observed: '1',
        limit: '3',
      });
    const begun = await reserve(request());
    // More than any disk has.
    journal = test.reopen({ floorBytes: 2 ** 52 });
    const full = await rejection(journal.reserve(request()));
    expect([full.code, full.message.includes('disk_floor')]).toEqual(['JOURNAL_FULL', true]);
    await refuse();
    expect(kinds()).toEqual(['genesis', 'reserved']);
    expect(begun.seconds).toHaveLength(1);
    journal = test.reopen({ floorBytes: 1 });
    await reserve(request());
    await refuse();
    expect(kinds()).toEqual(['genesis', 'reserved', 'reserved', 'refused']);
  });
});

describe('the share of a publisher', () => {
  const fill = async (publisher: string, bytes: number): Promise<void> => {
    const reserved = await reserve(request({ publisher }));
    await journal.release(reserved, { answer: '', texts: [new Uint8Array(bytes).fill(bytes)], evidence: [] });
  };

  it('is an equal part of the quota: who used it up is refused, and the others are served', async () => {
    journal = test.reopen({ quotaBytes: 2_000_000, publishers: 2 });
    await fill('vps1', 900_000);
    await fill('vps1', 200_000);
    const full = await rejection(journal.reserve(request()));
    expect([full.code, journal.size.bytes < journal.size.quotaBytes]).toEqual(['JOURNAL_FULL', true]);
    await fill('vps2', 100_000);
    await journal.prune(journal.head().size, NOW + 1);
    await reserve(request());
  });

  it('is charged for entries and marks too, which stay for ever', async () => {
    const used = () => journal.archive.usedBy('vps1');
    await reserve(request());
    const one = used();
    expect(one).toBeGreaterThan(400);
    await reserve(
      request({
        seconds: Array.from({ length: 100 }, (_, i) => ({ kpHsBlindId: OTHER_KEY, variant: 0, second: i })),
      }),
    );
    expect(used() - one).toBeGreaterThan(100 * 100);
    await journal.prune(journal.head().size, NOW + 1);
    journal = test.reopen();
    expect(used()).toBeGreaterThan(one + 100 * 100);
    expect(journal.archive.usedBy('vps2')).toBe(0);
  });
});

describe('a request id', () => {
  it('gives the stored answer again, word for word, also after a restart', async () => {
    const asked = request();
    await journal.release(await reserve(asked), release('{"a": 1}'));
    const size = journal.head().size;
    expect(await journal.reserve(asked)).toEqual({ kind: 'replay', answer: '{"a": 1}' });
    journal = test.reopen();
    expect(await journal.reserve(asked)).toEqual({ kind: 'replay', answer: '{"a": 1}' });
    expect(journal.head().size).toBe(size);
  });

  it('is answered for an hour, and belongs to nobody afterwards', async () => {
    const asked = request();
    expect(journal.recall(asked)).toBeUndefined();
    await journal.release(await reserve(asked), release('once'));
    test.now += 3599;
    expect(journal.recall(asked)).toEqual({ kind: 'replay', answer: 'once' });
    expect(await journal.reserve(asked)).toEqual({ kind: 'replay', answer: 'once' });
    test.now += 1;
    expect(journal.recall(asked)).toEqual({ kind: 'id-reused' });
    expect(await journal.reserve(asked)).toEqual({ kind: 'id-reused' });
  });

  it('belongs to one request: another digest is refused, released or not', async () => {
    const asked = request();
    const other = { ...asked, requestDigest: 'ff'.repeat(32) };
    const reserved = await reserve(asked);
    expect(await journal.reserve(other)).toEqual({ kind: 'id-reused' });
    await journal.release(reserved, release());
    expect(await journal.reserve(other)).toEqual({ kind: 'id-reused' });
  });

  it('belongs to its publisher and service: others may use the same', async () => {
    const asked = request();
    await journal.release(await reserve(asked), release('mine'));
    const { requestId, requestDigest } = asked;
    for (const change of [{ publisher: 'vps2' }, { service: 'archive' }]) {
      expect((await journal.reserve(request({ requestId, requestDigest, ...change }))).kind).toBe('reserved');
    }
  });

  it('is answered once at a time', async () => {
    const asked = request();
    const reserved = await reserve(asked);
    const again = { ...asked, seconds: request().seconds };
    expect(await journal.reserve(again)).toMatchObject({ kind: 'conflict', code: 'REQUEST_IN_FLIGHT' });
    journal.abandon(reserved);
    expect((await journal.reserve(again)).kind).toBe('reserved');
  });

  it('of a reservation without release may be tried again with new seconds; the old ones stay spent', async () => {
    const asked = request({ second: NOW + 40 });
    await reserve(asked);
    journal = test.reopen();
    expect(journal.archive.unreleased()).toEqual([
      { entry: 1, publisher: 'vps1', service: 'frontpage', at: NOW },
    ]);
    expect(await journal.reserve(asked)).toMatchObject({
      kind: 'conflict',
      code: 'SECOND_SPENT',
      retryAfter: 1,
    });
    const retry = await reserve({ ...asked, seconds: request({ second: NOW + 41 }).seconds });
    await journal.release(retry, release('second try'));
    journal = test.reopen();
    expect(await journal.reserve(asked)).toEqual({ kind: 'replay', answer: 'second try' });
    expect(journal.nextFreeSecond(KEY, 0, NOW + 40)).toBe(NOW + 42);
    expect(journal.archive.unreleased()).toHaveLength(1);
  });
});
