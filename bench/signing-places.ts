// npm run bench -- --period-keys: a descriptor signing key in the keyholder's memory, and one inside a token (SoftHSM), in
// turns on the same machine. What is measured is what the keyholder does for one text: certificates of the points,
// building, signing, opening. The ratio counts.

import { createSoftHsm } from '../test/softhsm/create-softhsm.ts';
import { createCachingVerify } from '../src/descriptor/index.ts';
import { volatilePinStore } from '../src/pkcs11/pin-memory.ts';
import type { PeriodKey } from '../src/pkcs11/period-keys.ts';
import { SigningToken } from '../src/pkcs11/signing-token.ts';
import { type Signing, build, freshPeriod, makePeriodKey, points, seedSigning } from './period-key.ts';

const ROUNDS = 9;
const TEXTS = 40;
const KEYS_MADE = 50;
const DEADLINE_MS = 60_000;

interface Round {
  /** Milliseconds for one text. */
  readonly newPoints: number;
  readonly unchanged: number;
}

async function measure(signing: Signing, pointCount: number): Promise<Round> {
  const { period, second } = freshPeriod();
  const key = makePeriodKey(period, second, signing);
  const chosen = points.slice(0, pointCount);
  const newPoints = await timeEach(async i => await text(key, chosen, second + 3600 * i, second));
  return { newPoints, unchanged: await timeEach(async () => await text(key, chosen, second, second)) };
}

async function text(key: PeriodKey, chosen: typeof points, certified: number, second: number): Promise<void> {
  await build(key, second, await key.certifyPoints(chosen, certified), createCachingVerify());
}

async function timeEach(act: (i: number) => Promise<void>): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < TEXTS; i++) await act(i);
  return (performance.now() - started) / TEXTS;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** Prints a table; see docs/performance.md. */
export async function measureSigningPlaces(): Promise<void> {
  const hsm = await createSoftHsm();
  const token = new SigningToken({
    access: () => hsm.access(),
    deadlineMs: () => DEADLINE_MS,
    label: 'bench',
    known: () => [],
    pins: volatilePinStore(),
    beforeLogin: () => undefined,
    onEntered: () => undefined,
    env: hsm.env,
  });
  try {
    token.start();
    await token.ready();
    const started = performance.now();
    const made = [];
    for (let i = 0; i < KEYS_MADE; i++) made.push(await token.make());
    const perSecond = (1000 * KEYS_MADE) / (performance.now() - started);
    process.stdout.write(`keys made in the token: ${perSecond.toFixed(0)} in a second\n`);
    const [record] = made;
    if (record === undefined) throw new Error('no key was made');
    const inToken = { key: { kind: 'token', ...record }, signing: token.keyOf(record, '') } as const;
    for (const pointCount of [10, 20]) await compare(pointCount, inToken);
  } finally {
    token.stop();
    await hsm.dispose();
  }
}

async function compare(pointCount: number, inToken: Signing): Promise<void> {
  const here: Round[] = [];
  const there: Round[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const pair = [await measure(seedSigning(), pointCount), await measure(inToken, pointCount)] as const;
    // The first one warms up.
    if (round === 0) continue;
    here.push(pair[0]);
    there.push(pair[1]);
  }
  for (const kind of ['newPoints', 'unchanged'] as const) {
    const ratios = there.map((each, i) => each[kind] / (here[i]?.[kind] ?? Number.NaN));
    const [a, b] = [here, there].map(rounds => median(rounds.map(each => each[kind])).toFixed(2));
    const extent = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
    process.stdout.write(
      `${pointCount} points, ${kind === 'newPoints' ? 'all certified anew' : 'unchanged'}: ` +
        `keyholder ${a} ms, token ${b} ms, ratio ${median(ratios).toFixed(2)} (${extent})\n`,
    );
  }
}
