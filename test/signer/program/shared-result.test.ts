import { expect, it } from 'vitest';
import { SharedResult } from '../../../src/signer/program/shared-result.ts';

it('asks once for all who ask within the time, and again afterwards', async () => {
  let [asked, clock] = [0, 0];
  const shared = new SharedResult(
    async () => (asked += 1),
    1000,
    () => clock,
  );
  expect(await Promise.all([shared.get(), shared.get()])).toEqual([1, 1]);
  clock = 1000;
  expect(await shared.get()).toBe(1);
  clock = 1001;
  expect(await shared.get()).toBe(2);
  shared.forget();
  expect(await shared.get()).toBe(3);
});

it('keeps no failure', async () => {
  let asked = 0;
  const shared = new SharedResult<number>(async () => {
    asked += 1;
    if (asked === 1) throw new Error('first');
    return asked;
  }, 1000);
  const both = await Promise.allSettled([shared.get(), shared.get()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await shared.get()).toBe(2);
});
