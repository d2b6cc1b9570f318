import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  deriveKpHsBlindId,
  MAX_T,
  publicationWindow,
  srvRunStart,
  TOR_NETWORK,
  timePeriodAt,
} from '../../src/descriptor/index.ts';
import { type KeyholderList, LIST_LIMITS } from '../../src/pkcs11/list.ts';
import { MarkLog } from '../../src/pkcs11/mark-log.ts';
import { checkFloor, checkLeads, raiseFences } from '../../src/pkcs11/fences.ts';
import type { ServiceSlot } from '../../src/pkcs11/service-slot.ts';
import { fenceAt, type PlannedTarget } from '../../src/pkcs11/sign-plan.ts';
import { identity } from '../descriptor/forge.ts';
import { denialOf } from './keyholder-rig.ts';

const NOW = 1_800_000_000;
const period = timePeriodAt(TOR_NETWORK, NOW);
const key = { period, kpHsBlindId: deriveKpHsBlindId(identity('ours').kpHsId, period) };
const list = { profile: TOR_NETWORK } as KeyholderList;
let folder: string;
let marks: MarkLog;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plan-'));
  marks = MarkLog.create(join(folder, 'marks'), new Uint8Array(16));
});
afterEach(() => {
  marks.close();
  rmSync(folder, { recursive: true });
});

/** Spends a second, raises the fence at `nowSeconds`, and gives it. */
function fenceAfter(second: number, nowSeconds: number): { floor: number; lead: number } {
  marks.spend([{ kpHsBlindId: key.kpHsBlindId, variant: 0, second }], { at: NOW, proven: 0 });
  const fence = fenceAt(key, { list, nowSeconds, marks });
  if (fence === undefined) throw new Error('nothing was spent');
  marks.raiseFence(key.kpHsBlindId, fence);
  return fence;
}

describe('the fence of a period', () => {
  test('lies above everything that was spent, and what is used from now on above it', () => {
    const { floor, lead } = fenceAfter(NOW + 6 * 3600, NOW);
    expect(floor).toBe(NOW + 6 * 3600 + 1);
    // Two seconds late is not too late.
    expect(NOW - 2 + lead).toBe(floor);
  });

  test('is not there for a key that spent nothing, and is the same when it is raised again', () => {
    expect(fenceAt(key, { list, nowSeconds: NOW, marks })).toBeUndefined();
    const first = fenceAfter(NOW + 60, NOW);
    expect(fenceAt(key, { list, nowSeconds: NOW + 10, marks })).toEqual(first);
  });

  test('never leads beyond the counters of its period: then nothing is signed until the clock has come near', () => {
    const far = NOW + 30 * 86_400;
    const { floor, lead } = fenceAfter(far, NOW);
    expect(floor).toBe(far + 1);
    const { from, to } = publicationWindow(TOR_NETWORK, period);
    // COUNTER-CEILING: the last second of the window has the last counter.
    expect(to - 1 + lead - srvRunStart(TOR_NETWORK, period) + 1).toBe(MAX_T);
    expect(from).toBeLessThan(NOW);
    const isSpent = (use: number): boolean =>
      marks.isSpent({ kpHsBlindId: key.kpHsBlindId, variant: 0, second: use + lead });
    expect([isSpent(NOW), isSpent(floor - lead - 1), isSpent(floor - lead)]).toEqual([true, true, false]);
  });
});

describe('a service whose period keys are not here', () => {
  const slot = { kpHsId: identity('ours').kpHsId, periods: new Map() } as Partial<ServiceSlot> as ServiceSlot;
  const rules = {
    list,
    nowSeconds: NOW,
    get marks() {
      return marks;
    },
  };

  test('is fenced all the same: its texts are out', () => {
    raiseFences(slot, [period], rules);
    expect(marks.fenceOf(key.kpHsBlindId)).toEqual({ floor: 0, lead: 0 });
    marks.spend([{ kpHsBlindId: key.kpHsBlindId, variant: 0, second: NOW + 60 }], { at: NOW, proven: 0 });
    raiseFences(slot, [period], rules);
    expect(marks.fenceOf(key.kpHsBlindId).floor).toBe(NOW + 61);
  });
});

describe('what was planned before a fence', () => {
  const planned = (spentSecond: number, lead: number): PlannedTarget =>
    ({ key, lead, spentSecond }) as Partial<PlannedTarget> as PlannedTarget;

  test('is given out only above it, also where the lead can grow no more', () => {
    const { floor, lead } = fenceAfter(NOW + 30 * 86_400, NOW);
    expect(() => checkLeads([planned(floor, lead)], marks)).not.toThrow();
    for (const late of [planned(floor - 1, lead), planned(floor, 0)])
      expect(denialOf(() => checkLeads([late], marks)).rule).toBe('ONE-PER-SECOND');
  });
});

describe('the fence of a recovery', () => {
  test('may lie above every second that can have been spent, and no higher', () => {
    const most = NOW + LIST_LIMITS.runwaySeconds + MAX_T;
    expect([0, NOW, most].map(second => checkFloor(second, NOW))).toEqual([undefined, undefined, undefined]);
    expect(checkFloor(most + 1, NOW)).toMatchObject({ rule: 'HORIZON' });
  });
});
