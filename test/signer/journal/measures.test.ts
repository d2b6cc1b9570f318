import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex } from '../../../src/descriptor/index.ts';
import type { Measure } from '../../../src/signer/journal/measures.ts';
import { rejection } from '../failure.ts';
import { KEY, NOW, request, TestJournal } from './open-test-journal.ts';

let made: TestJournal;
beforeEach(() => {
  made = new TestJournal();
});
afterEach(() => made.remove());

/** What came between the verdict on a request and its reservation. */
test.each<[code: string, measure: Measure, undo: Measure]>([
  ['PUBLISHER_UNKNOWN', { kind: 'evicted', publisher: 'vps1' }, { kind: 'readmitted', publisher: 'vps1' }],
  ['FROZEN', { kind: 'frozen', service: 'frontpage' }, { kind: 'thawed', service: 'frontpage' }],
])(
  'nothing is reserved behind a measure (%s), so that the journal can be opened again',
  async (code, measure, undo) => {
    const { journal } = made;
    await journal.measures.record(measure, NOW);
    // Of one batch with the measure as well.
    const late = [journal.reserve(request()), journal.reserve(request())];
    for (const each of late) expect((await rejection(each)).code).toBe(code);
    const others = request({ publisher: 'vps2', service: 'elsewhere' });
    expect((await journal.reserve(others)).kind).toBe('reserved');
    const undone = made.reopen();
    expect((await rejection(undone.reserve(request()))).code).toBe(code);
    await undone.measures.record(undo, NOW);
    expect((await undone.reserve(request())).kind).toBe('reserved');
    made.reopen();
  },
);

test('a measure and a reservation of one turn keep their order', async () => {
  const { journal } = made;
  const asked = [
    journal.reserve(request()),
    journal.measures.record({ kind: 'evicted', publisher: 'vps1' }, NOW),
    journal.reserve(request()),
  ];
  const [before, evicted, after] = await Promise.allSettled(asked);
  expect([before?.status, evicted?.status, after?.status]).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  made.reopen();
});

const fenced = (floor: number, lead = floor - NOW): Measure => ({
  kind: 'fenced',
  service: 'frontpage',
  floors: [{ kpHsBlindId: toHex(KEY), floor, lead }],
});

test('a second that was planned before a fence is not reserved behind it, and one above it is', async () => {
  const { journal } = made;
  await journal.measures.record({ kind: 'fencing', service: 'frontpage' }, NOW);
  const floor = NOW + 3600;
  const [raised, late, above] = await Promise.allSettled([
    journal.measures.record(fenced(floor), NOW),
    journal.reserve(request({ second: floor - 1 })),
    journal.reserve(request({ second: floor })),
  ]);
  expect(raised).toMatchObject({ status: 'fulfilled', value: true });
  expect(late).toMatchObject({ status: 'rejected', reason: { code: 'FENCED', retryAfter: 1 } });
  expect(above).toMatchObject({ status: 'fulfilled', value: { kind: 'reserved' } });
  made.reopen();
});

test('a lower fence that was asked for in the same turn is not written', async () => {
  const { journal } = made;
  const [high, low] = await Promise.all([
    journal.measures.record(fenced(NOW + 3600), NOW),
    journal.measures.record(fenced(NOW + 60), NOW),
  ]);
  expect([high, low]).toEqual([true, false]);
  made.reopen();
});
