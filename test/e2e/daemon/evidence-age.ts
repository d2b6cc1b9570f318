import { beforeAll, expect, test } from 'vitest';
import { publishablePeriods } from '../../../src/descriptor/index.ts';
import { backendDescriptor, nowSeconds, pointsOf, signRequest } from './backends.ts';
import type { SignerHome } from './home.ts';

const HOUR = 3600;

/** Evidence of the wrong time, on a network whose periods are long enough to have stale evidence at all. */
export function describeEvidenceAge(homeOf: () => SignerHome): void {
  let home: SignerHome;
  beforeAll(async () => {
    home = homeOf();
    await home.configure({ intervalSeconds: HOUR, ahead: '1d' });
    await home.succeed('policy', 'apply', '--yes');
    await home.start();
  });

  /** A request whose second backend made its descriptor so many seconds ago. */
  const requestAged = (age: number) => {
    // The older of the two periods: it has been published for a day or longer.
    const [period] = publishablePeriods(home.profile, nowSeconds());
    const fresh = backendDescriptor(home.profile, 'box-1', { period: period! });
    const aged = backendDescriptor(home.profile, 'box-2', { period: period! }, nowSeconds() - age);
    return signRequest('frontpage', [fresh, aged], pointsOf([fresh, 0, 1], [aged, 0]));
  };

  test.each([
    ['is stale after three hours and what the counter leaves open', 5 * HOUR],
    ['is from the future beyond five minutes', -2 * HOUR],
  ])('%s', async (_, age) => {
    const answer = await home.ask(requestAged(age));
    expect([answer.status, JSON.parse(answer.body)]).toEqual([
      403,
      expect.objectContaining({ code: 'DENIED', rule: 'EVIDENCE-AGE' }),
    ]);
  });

  test.each([
    ['may be two hours old', 2 * HOUR],
    ['may be of this moment', 0],
  ])('%s', async (_, age) => {
    expect((await home.sign(requestAged(age))).descriptors).toHaveLength(2);
  });

  test('whose certificate and counter disagree proves nothing', async () => {
    const [period] = publishablePeriods(home.profile, nowSeconds());
    const fresh = backendDescriptor(home.profile, 'box-1', { period: period! });
    const counter = BigInt(fresh.text.match(/revision-counter (\d+)/u)![1]!);
    const mixed = backendDescriptor(
      home.profile,
      'box-2',
      { period: period!, counter },
      nowSeconds() - 9 * HOUR,
    );
    const answer = await home.ask(
      signRequest('frontpage', [fresh, mixed], pointsOf([fresh, 0, 1], [mixed, 0])),
    );
    expect(JSON.parse(answer.body)).toMatchObject({ status: 422, code: 'EVIDENCE_INVALID' });
  });
}
