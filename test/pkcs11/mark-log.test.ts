import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MarkLog } from '../../src/pkcs11/mark-log.ts';
import { identity } from '../descriptor/forge.ts';
import { expectCode } from './expect-code.ts';

const RECORD = 64;
const NOW = 1_800_000_000;
const TIME = { at: NOW, proven: NOW };
const id = new Uint8Array(16).fill(3);
const { kpHsId } = identity('a');
const spent = (second: number, variant = 0) => ({ kpHsBlindId: kpHsId, variant, second });
const seconds = (count: number, from = NOW) => Array.from({ length: count }, (_, i) => spent(from + i));
let folder: string;
let path: string;
const open: MarkLog[] = [];
const opened = (log: MarkLog) => {
  open.push(log);
  return log;
};
const create = (maximum?: number) => opened(MarkLog.create(path, id, maximum));
const reopen = (maximum?: number) => {
  open.pop()?.close();
  return opened(MarkLog.open(path, id, maximum));
};
const size = () => statSync(path).size;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'marks-'));
  path = join(folder, 'marks');
});
afterEach(() => {
  for (const log of open.splice(0)) log.close();
  rmSync(folder, { recursive: true });
});

/** Spoils records from `from` on, counted from the end when negative. */
function damage(from: number, count: number): void {
  const bytes = readFileSync(path);
  const first = from < 0 ? bytes.length / RECORD + from : from;
  for (let i = first; i < first + count; i++) bytes[i * RECORD + 10] = (bytes[i * RECORD + 10] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}

describe('the marks', () => {
  test('remember spent seconds by key, variant and second, and when they were spent', () => {
    create().spend([spent(NOW), spent(NOW + 1, 1)], TIME);
    const again = reopen();
    expect([spent(NOW), spent(NOW + 1, 1)].map(each => again.isSpent(each))).toEqual([true, true]);
    for (const other of [spent(NOW + 1), spent(NOW, 1), spent(NOW + 2)])
      expect(again.isSpent(other)).toBe(false);
    expect(again.isSpent({ ...spent(NOW), kpHsBlindId: identity('b').kpHsId })).toBe(false);
    expect(again.spentAt(spent(0))).toEqual([NOW]);
  });

  test('remember whose signatures are frozen until it is thawed, however often they are rewritten', () => {
    const other = identity('b').kpHsId;
    const log = create(6 * RECORD);
    log.freeze(kpHsId, true);
    log.freeze(other, true);
    log.freeze(other, false);
    // Grows beyond its bound, and is written anew with what still holds.
    for (let generation = 1n; generation < 9n; generation += 1n) log.recordGeneration(generation);
    const again = reopen(6 * RECORD);
    expect([kpHsId, other].map(each => again.isFrozen(each))).toEqual([true, false]);
    const before = size();
    again.freeze(kpHsId, true);
    expect(size()).toBe(before);
    again.freeze(kpHsId, false);
    expect(reopen().isFrozen(kpHsId)).toBe(false);
  });

  test('remember the fence of a blinded key, which is never lowered and spends all before it', () => {
    const log = create(6 * RECORD);
    log.spend([spent(NOW + 50)], TIME);
    expect([log.lastSpent(spent(0)), log.lastSpent(spent(0, 1))]).toEqual([NOW + 50, 0]);
    log.raiseFence(kpHsId, { floor: NOW + 51, lead: 53 });
    log.raiseFence(kpHsId, { floor: NOW, lead: 1 });
    for (let generation = 1n; generation < 9n; generation += 1n) log.recordGeneration(generation);
    const again = reopen(6 * RECORD);
    expect(again.fenceOf(kpHsId)).toEqual({ floor: NOW + 51, lead: 53 });
    expect([NOW, NOW + 49, NOW + 51].map(second => again.isSpent(spent(second)))).toEqual([
      true,
      true,
      false,
    ]);
    const other = identity('b').kpHsId;
    expect([again.fenceOf(other), again.isSpent({ ...spent(NOW), kpHsBlindId: other })]).toEqual([
      { floor: 0, lead: 0 },
      false,
    ]);
  });

  test('remember the fence of a recovery, before which every second of every key is spent', () => {
    create().raiseFloor(NOW);
    expect([NOW - 1, NOW].map(second => reopen().isSpent(spent(second)))).toEqual([true, false]);
  });

  test('remember the latest time that was proven, and never an earlier one', () => {
    const log = create();
    log.spend([spent(NOW)], { at: NOW, proven: NOW - 100 });
    log.spend([spent(NOW + 1)], { at: NOW, proven: NOW - 200 });
    expect([log.proven, reopen().proven]).toEqual([NOW - 100, NOW - 100]);
  });

  test('stop when they cannot be written', () => {
    const log = create();
    log.close();
    expectCode('STATE_WRITE', () => log.spend([spent(NOW)], TIME));
    expect(log.isSpent(spent(NOW))).toBe(false);
  });
});

describe('marks after a crash', () => {
  test('lose a last record that was cut off, and no other', () => {
    const log = create();
    log.spend([spent(NOW)], TIME);
    log.spend([spent(NOW + 1)], TIME);
    truncateSync(path, size() - 20);
    const again = reopen();
    expect([again.isSpent(spent(NOW)), again.isSpent(spent(NOW + 1))]).toEqual([true, false]);
    again.spend([spent(NOW + 2)], TIME);
    const third = reopen();
    expect([0, 1, 2].map(i => third.isSpent(spent(NOW + i)))).toEqual([true, false, true]);
  });

  test('lose an order of which nothing reached the disk whole', () => {
    const log = create();
    log.spend([spent(NOW)], TIME);
    log.spend(seconds(16, NOW + 10), TIME);
    damage(-16, 16);
    const again = reopen();
    expect([again.isSpent(spent(NOW)), again.isSpent(spent(NOW + 10))]).toEqual([true, false]);
    expect(size()).toBe(3 * RECORD);
  });

  test('lose the end of an order that was torn in the middle', () => {
    create().spend(seconds(16), TIME);
    damage(-3, 3);
    const again = reopen();
    expect([12, 13, 15].map(i => again.isSpent(spent(NOW + i)))).toEqual([true, false, false]);
  });

  test('are refused when more is damaged than one order can tear', () => {
    create().spend(seconds(40), TIME);
    damage(-18, 18);
    expectCode('STATE_CORRUPT', () => reopen());
    damage(-18, 1);
    expect(reopen().isSpent(spent(NOW + 22))).toBe(true);
  });

  test('are refused when an intact record follows a damaged one, or the header is gone', () => {
    create().spend(seconds(3), TIME);
    damage(3, 1);
    expectCode('STATE_CORRUPT', () => reopen());
    damage(3, 1);
    damage(0, 1);
    expectCode('STATE_CORRUPT', () => reopen());
    damage(0, 1);
    expect(reopen().isSpent(spent(NOW + 2))).toBe(true);
  });
});

describe('marks that grow long', () => {
  const old = NOW - 3601;

  test('drop seconds that can never be asked for again, which stay spent', () => {
    const log = create();
    log.recordCheckpoint({ size: 5n, root: new Uint8Array(32).fill(1) });
    // With header, checkpoint and proven time four megabytes.
    log.spend(seconds(65_533, old - 65_532), TIME);
    expect(size()).toBe(4 << 20);
    log.spend([spent(NOW - 3600), spent(NOW), spent(NOW + 86_400)], TIME);
    expect(size()).toBeLessThan(1000);
    const again = reopen();
    for (const second of [5, old, NOW - 3600, NOW, NOW + 86_400])
      expect(again.isSpent(spent(second))).toBe(true);
    expect([again.isSpent(spent(NOW + 1)), again.checkpoint?.size, again.proven]).toEqual([false, 5n, NOW]);
  });

  test.each([
    ['the clock', { at: NOW + 90_000, proven: NOW }],
    ['evidence', { at: NOW, proven: NOW + 90_000 }],
    ['a clock without evidence', { at: NOW, proven: 0 }],
  ])('drop nothing on the word of %s alone', (_what, time) => {
    const maximum = 100 * RECORD;
    const log = create(maximum);
    log.spend(seconds(70), time);
    expectCode('STATE_FULL', () => log.spend(seconds(16, NOW + 100), time));
    expect(log.isSpent(spent(NOW + 100))).toBe(false);
    expect([0, 69].map(i => log.isSpent(spent(NOW + i)))).toEqual([true, true]);
    expect(log.isSpent(spent(NOW - 3601))).toBe(time.proven !== 0);
  });

  test('are full before the next start would refuse them, and say so; other marks still fit', () => {
    const maximum = 100 * RECORD;
    const log = create(maximum);
    for (let i = 0; i < 4; i++) log.spend(seconds(16, NOW + 16 * i), TIME);
    expectCode('STATE_FULL', () => log.spend(seconds(16, NOW + 64), TIME));
    for (let n = 1n; n < 200n; n++) log.recordCheckpoint({ size: n, root: new Uint8Array(32) });
    expect(size()).toBeLessThanOrEqual(maximum);
    const again = reopen(maximum);
    expect([again.checkpoint?.size, again.isSpent(spent(NOW + 63))]).toEqual([199n, true]);
    // Later there is room again.
    const later = { at: NOW + 7200, proven: NOW + 7200 };
    again.spend(seconds(16, NOW + 7200), later);
    expect(size()).toBeLessThan(maximum / 2);
  });

  test('keep a fence for as long as its period can be asked for, whatever else they drop', () => {
    const maximum = 100 * RECORD;
    const log = create(maximum);
    const [recent, over] = [identity('recent').kpHsId, identity('over').kpHsId];
    const day = 86_400;
    log.raiseFence(recent, { floor: NOW - 13 * day, lead: 60 });
    log.raiseFence(over, { floor: NOW - 15 * day, lead: 60 });
    log.spend(seconds(70), TIME);
    log.spend(seconds(16, NOW + 7200), { at: NOW + 7200, proven: NOW + 7200 });
    expect(size()).toBeLessThan(maximum / 2);
    for (const each of [log, reopen(maximum)]) {
      expect([each.fenceOf(recent).lead, each.fenceOf(over).lead]).toEqual([60, 0]);
    }
  });

  test('try to make room once a minute, so that a full log costs no rewriting for each request', () => {
    const maximum = 100 * RECORD;
    const log = create(maximum);
    log.spend(seconds(70), TIME);
    expectCode('STATE_FULL', () => log.spend(seconds(16, NOW + 70), TIME));
    const { ino } = statSync(path);
    const soon = { at: NOW + 59, proven: NOW + 59 };
    expectCode('STATE_FULL', () => log.spend(seconds(16, NOW + 70), soon));
    expect(statSync(path).ino).toBe(ino);
    expectCode('STATE_FULL', () => log.spend(seconds(16, NOW + 70), { at: NOW + 60, proven: NOW }));
    expect(statSync(path).ino).not.toBe(ino);
  });

  test('that are larger than any that is written are refused by that name', () => {
    create().spend(seconds(100), TIME);
    expectCode('STATE_FULL', () => reopen(100 * RECORD));
    expect(reopen(103 * RECORD).isSpent(spent(NOW))).toBe(true);
  });
});
