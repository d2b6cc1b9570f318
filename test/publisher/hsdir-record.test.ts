import { describe, expect, it } from 'vitest';
import { TOR_NETWORK } from '../../src/descriptor/index.ts';
import { finishRecord, outcomeLost, startRecord } from '../../src/publisher/plan.ts';
import type { HsDirRecord } from '../../src/publisher/state.ts';
import { backOff, timingOf } from '../../src/publisher/timing.ts';

const TIMING = timingOf(TOR_NETWORK);
const NOW = 1_800_000_000;

describe('The record of an HSDir', () => {
  const end = (before: HsDirRecord, result: 'uploaded' | 'rejected' | 'failed' | 'timeout', lost = false) =>
    finishRecord(before, { result, code: 'X' }, lost, NOW + 5, TIMING, () => 0.5);

  it('notes what was accepted and when.', () => {
    expect(end(startRecord(undefined, '7', NOW), 'uploaded')).toEqual({
      counter: '7',
      at: NOW + 5,
      result: 'uploaded',
      failures: 0,
      retryAt: NOW + 5,
      accepted: { counter: '7', at: NOW + 5 },
    });
  });

  it('keeps what was accepted before when a newer text fails, and waits longer each time.', () => {
    const accepted = end(startRecord(undefined, '7', NOW), 'uploaded');
    const once = end(startRecord(accepted, '8', NOW), 'failed');
    expect(once).toMatchObject({
      counter: '8',
      result: 'failed',
      code: 'X',
      failures: 1,
      accepted: { counter: '7' },
    });
    const twice = end(startRecord(once, '8', NOW), 'timeout');
    expect(twice.failures).toBe(2);
    expect(twice.retryAt - twice.at).toBe(2 * (once.retryAt - once.at));
    expect(startRecord(twice, '9', NOW).failures).toBe(0);
  });

  it('takes a refusal as possession only when an earlier outcome got lost.', () => {
    const late = end(startRecord(undefined, '7', NOW), 'timeout');
    expect(outcomeLost(late, '7')).toBe(true);
    expect(outcomeLost(late, '8')).toBe(false);
    expect(end(startRecord(late, '7', NOW), 'rejected', true)).toMatchObject({
      result: 'held',
      accepted: { counter: '7' },
    });
    const refused = end(startRecord(undefined, '7', NOW), 'rejected');
    expect(refused).toMatchObject({ result: 'rejected', retryAt: NOW + 5 + TIMING.rejectedPause });
    expect(refused.accepted).toBeUndefined();
  });

  it('of an upload that nobody saw end counts as lost, also over a crash.', () => {
    expect(outcomeLost(startRecord(undefined, '7', NOW), '7')).toBe(true);
    expect(outcomeLost(undefined, '7')).toBe(false);
    const failed = end(startRecord(undefined, '7', NOW), 'failed');
    expect(outcomeLost(failed, '7')).toBe(false);
  });

  it('of a text offered again and refused is still held, and is offered later.', () => {
    const held = end(startRecord(undefined, '7', NOW), 'uploaded');
    const again = end(startRecord(held, '7', NOW), 'rejected');
    expect(again).toMatchObject({ result: 'held', accepted: { counter: '7', at: NOW + 5 } });
    expect(again.retryAt).toBe(NOW + 5 + TIMING.rejectedPause);
  });
});

describe('The pause after a failure', () => {
  it('doubles, has a limit and varies by a quarter.', () => {
    expect([1, 2, 3].map(failures => backOff(TIMING, failures, 0.5))).toEqual([30, 60, 120]);
    expect(backOff(TIMING, 100, 0.5)).toBe(TIMING.retryMax);
    expect([backOff(TIMING, 1, 0), backOff(TIMING, 1, 1)]).toEqual([22.5, 37.5]);
  });
});
