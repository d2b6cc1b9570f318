import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  publicationWindow,
  publishablePeriods,
  type TimePeriod,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import { BlindedKeys } from '../../src/signer/blinded-keys.ts';
import { planTargets } from '../../src/signer/plan-targets.ts';
import type { SignerCore } from '../../src/signer/sign-descriptor.ts';
import { NOW, request, TestJournal } from './journal/open-test-journal.ts';
import { loadOne, serviceYaml } from './policy/services.ts';

const HOUR = 3600;
const FOREVER = NOW + 1000 * HOUR;

const service = loadOne(serviceYaml());
const blindedKeys = new BlindedKeys();
let state: TestJournal;

beforeEach(() => {
  state = new TestJournal();
});
afterEach(() => state.remove());

const plan = (now: number, certifiedUntil = FOREVER, runwaySeconds = 6 * HOUR) => {
  const core = { profile: TOR_NETWORK, runwaySeconds: 6 * HOUR, journal: state.journal, blindedKeys };
  return planTargets(core as unknown as SignerCore, service, now, { certifiedUntil, runwaySeconds });
};

const spend = async (period: TimePeriod, second: number): Promise<void> => {
  const seconds = [{ kpHsBlindId: blindedKeys.of(service.kpHsId, period), variant: 0, second }];
  expect((await state.journal.reserve(request({ seconds }))).kind).toBe('reserved');
};

describe('the targets of a request', () => {
  it('are one for now and one for each voting interval of the runway, for both periods', () => {
    const targets = plan(NOW);
    expect([...new Set(targets.map(({ second }) => second - NOW))]).toEqual(
      [0, 1, 2, 3, 4, 5, 6].map(h => h * HOUR),
    );
    for (const { second, period } of targets) {
      expect(publishablePeriods(TOR_NETWORK, second)).toContainEqual(period);
    }
    expect(targets).toHaveLength(14);
  });

  it('end where the period keys end, but for those of now', () => {
    expect(plan(NOW, NOW + 2 * HOUR + 1)).toHaveLength(6);
    expect(plan(NOW, NOW + 2 * HOUR)).toHaveLength(4);
    expect(plan(NOW, 0)).toHaveLength(2);
  });

  it('end where the runway of the keyholder ends, whatever the file says that was changed since', () => {
    expect(plan(NOW, FOREVER, 2 * HOUR)).toHaveLength(6);
    expect(plan(NOW, FOREVER, 2 * HOUR - 1)).toHaveLength(4);
    expect(plan(NOW, FOREVER, 9 * HOUR)).toHaveLength(14);
  });

  it('move on from a second that is spent, but not for now', async () => {
    const [period] = publishablePeriods(TOR_NETWORK, NOW);
    await spend(period!, NOW);
    await spend(period!, NOW + HOUR);
    const own = plan(NOW).filter(target => target.period.periodNum === period!.periodNum);
    expect(own.slice(0, 3).map(({ second }) => second - NOW)).toEqual([0, HOUR + 1, 2 * HOUR]);
  });

  it('never move on beyond the window of their period', async () => {
    const [period] = publishablePeriods(TOR_NETWORK, NOW);
    const { to } = publicationWindow(TOR_NETWORK, period!);
    const last = (now: number) =>
      plan(now).findLast(target => target.period.periodNum === period!.periodNum)?.second;
    expect(last(to - 2 - HOUR)).toBe(to - 2);
    await spend(period!, to - 2);
    expect(last(to - 2 - HOUR)).toBe(to - 1);
    await spend(period!, to - 1);
    expect(last(to - 2 - HOUR)).toBe(to - 2 - HOUR);
  });
});
