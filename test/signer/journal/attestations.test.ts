import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../../src/signer/journal/journal.ts';
import { NOW, TestJournal } from './open-test-journal.ts';

let test: TestJournal;
let journal: Journal;
beforeEach(() => {
  test = new TestJournal();
  journal = test.journal;
});
afterEach(() => test.remove());

const note = (size: number, origin = 'log/1') => ({ size, note: `${origin}\n${size}\nroot\n` });
const sizes = (): number[] => [...journal.attestations.checkpoints()].map(({ size }) => size);

describe('kept checkpoints', () => {
  it('are the newest of each hour and name, also after a restart', async () => {
    expect(journal.attestations.keptSize).toBe(0);
    const hour = NOW - (NOW % 3600);
    await journal.attestations.keep(note(2), hour);
    await journal.attestations.keep(note(3), hour + 3599);
    expect(sizes()).toEqual([3]);
    await journal.attestations.keep(note(4), hour + 3600);
    await journal.attestations.keep(note(5, 'log/2'), hour + 3600);
    await journal.attestations.keep(note(5, 'log/2'), hour + 3600);
    journal = test.reopen();
    expect(sizes()).toEqual([3, 4, 5]);
    expect(journal.attestations.keptSize).toBe(5);
  });
});

describe('vouchings', () => {
  it('are entries, once for each note, also after a restart', async () => {
    const kinds = (): string[] => [...journal.archive.entries()].map(({ entry }) => entry.kind);
    await journal.attestations.vouched('frontpage', 'one\n\n— note', NOW);
    await journal.attestations.vouched('frontpage', 'one\n\n— note', NOW);
    journal = test.reopen();
    expect(journal.attestations.isKnown('one\n\n— note')).toBe(true);
    await journal.attestations.vouched('frontpage', 'one\n\n— note', NOW);
    expect(kinds()).toEqual(['genesis', 'vouched']);
    await journal.attestations.vouched('frontpage', 'two', NOW);
    expect(kinds()).toEqual(['genesis', 'vouched', 'vouched']);
  });
});
