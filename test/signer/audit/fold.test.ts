import { describe, expect, test } from 'vitest';
import { AuditFold } from '../../../src/signer/audit/fold.ts';
import type { Entry, FencedEntry } from '../../../src/signer/journal/entries.ts';
import { rejection } from '../failure.ts';

const at = 1_750_000_000;
const digest = 'a'.repeat(64);
const second = (value: number, variant = 0) => ({ kpHsBlindId: digest, variant, second: value });
const genesis: Entry = { kind: 'genesis', at, version: 1, journal: 'b'.repeat(32), origin: 'log/1' };
const reserved = (...seconds: ReturnType<typeof second>[]): Entry => ({
  kind: 'reserved',
  at,
  publisher: 'vps1',
  service: 'frontpage',
  request: 'request-00000001',
  digest,
  seconds,
});
const released = (of: number, texts = 1): Entry => ({
  kind: 'released',
  at,
  reserved: of,
  texts: Array.from({ length: texts }, () => digest),
  evidence: [],
});
const started = (network: string, votingInterval: number): Entry => ({
  kind: 'started',
  at,
  version: 'x',
  network,
  votingInterval,
});
const policy = (serial: number): Entry => ({
  kind: 'policy',
  at,
  serial,
  digest,
  proposal: null,
  signatures: [],
});
const recovered = (origin: string, fence: number): Entry => ({
  kind: 'recovered',
  at,
  origin,
  fence,
  lost: null,
});
const halted: Entry = { kind: 'halted', at, code: 'CHECKPOINT_AHEAD', size: 9, root: digest };

async function foldOf(...entries: Entry[]): Promise<AuditFold> {
  const fold = new AuditFold();
  for (const [index, entry] of entries.entries()) await fold.take(index, entry, async () => undefined);
  return fold;
}

describe('the fold of an auditor', () => {
  test('follows names, fences and spent seconds', async () => {
    const fold = await foldOf(
      genesis,
      started('tor', 3600),
      policy(1),
      policy(2),
      reserved(second(5), second(5, 1)),
      released(4, 2),
      halted,
      recovered('log/2', 8),
      reserved(second(8)),
    );
    expect([fold.origin, fold.formerOrigins]).toEqual(['log/2', ['log/1']]);
  });

  test.each<[what: string, entries: Entry[]]>([
    ['no genesis at first', [policy(1)]],
    ['the public network with other times', [genesis, started('tor', 10)]],
    ['a second genesis', [genesis, genesis]],
    ['a policy that went back', [genesis, policy(2), policy(2)]],
    ['a second that was spent twice', [genesis, reserved(second(5)), reserved(second(5))]],
    ['a release without reservation', [genesis, released(0)]],
    ['a second release', [genesis, reserved(second(5)), released(1), released(1)]],
    ['more texts than seconds', [genesis, reserved(second(5)), released(1, 2)]],
    ['a second before the fence', [genesis, recovered('log/2', 8), reserved(second(7))]],
    ['a fence that went back', [genesis, recovered('log/2', 8), recovered('log/3', 7)]],
    ['a recovery under the same name', [genesis, recovered('log/1', 8)]],
    ['seconds while it was halted', [genesis, halted, reserved(second(5))]],
  ])('refuses %s', async (_what, entries) => {
    expect((await rejection(foldOf(...entries))).code).toBe('JOURNAL_TORN');
    await foldOf(...entries.slice(0, -1));
  });

  test('refuses what is no vouching', async () => {
    const vouched: Entry = { kind: 'vouched', at, service: 'frontpage', note: 'no note' };
    expect((await rejection(foldOf(genesis, vouched))).code).toBe('NOTE_FORMAT');
  });
});

describe('the measures of an operator', () => {
  const evicted: Entry = { kind: 'evicted', at, publisher: 'vps1' };
  const readmitted: Entry = { kind: 'readmitted', at, publisher: 'vps1' };
  const frozen: Entry = { kind: 'frozen', at, service: 'frontpage' };
  const thawed: Entry = { kind: 'thawed', at, service: 'frontpage' };
  const fencing: Entry = { kind: 'fencing', at, service: 'frontpage' };
  const fencedBy = (...floors: FencedEntry['floors']): Entry => {
    return { kind: 'fenced', at, service: 'frontpage', floors };
  };
  const fenced = (floor: number, lead = 0): Entry => fencedBy({ kpHsBlindId: digest, floor, lead });

  test('stop what they name, and nothing else', async () => {
    await foldOf(genesis, evicted, readmitted, frozen, thawed, reserved(second(5)), released(5));
    const others: Entry[] = [
      { ...evicted, publisher: 'vps2' },
      { ...frozen, service: 'elsewhere' },
    ];
    await foldOf(genesis, ...others, reserved(second(5)), released(3));
  });

  test.each([
    ['a reservation', [reserved(second(5))]],
    ['a release', [reserved(second(5)), released(1)]],
  ])('are contradicted by %s after them', async (_, entries) => {
    for (const measure of [evicted, frozen, fencing]) {
      const before = entries.slice(0, -1);
      const folded = foldOf(genesis, ...before, measure, ...entries.slice(-1));
      expect((await rejection(folded)).code).toBe('JOURNAL_TORN');
      await foldOf(genesis, ...entries, measure);
    }
  });

  test('are never taken twice, nor undone before they are taken', async () => {
    await foldOf(genesis, fencing, fenced(8), fencing, fencedBy());
    for (const entries of [[evicted, evicted], [readmitted], [frozen, frozen], [thawed], [fencing, fencing]])
      expect((await rejection(foldOf(genesis, ...entries))).code).toBe('JOURNAL_TORN');
  });

  test('a fence ends what was reserved before it, and no second below its floor is spent after it', async () => {
    await foldOf(genesis, reserved(second(5)), released(1), fenced(8, 3), reserved(second(8)), released(4));
    await foldOf(genesis, fencing, fenced(8), reserved(second(8)), released(3));
    for (const [entries, last] of [
      [[fenced(8)], reserved(second(7))],
      [[reserved(second(5)), fenced(8)], released(1)],
      [[reserved(second(5)), fencing, fenced(8)], released(1)],
      [[fenced(8, 3)], fenced(7, 3)],
      [[fenced(8, 3)], fenced(8, 2)],
      [[fenced(8, 3)], fenced(8, 3)],
      [[], fencedBy()],
    ] as [Entry[], Entry][]) {
      await foldOf(genesis, ...entries);
      expect((await rejection(foldOf(genesis, ...entries, last))).code).toBe('JOURNAL_TORN');
    }
  });
});
