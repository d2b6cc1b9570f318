import { expect, test } from 'vitest';
import { formatOnionAddress, publishablePeriods, TOR_NETWORK } from '../../src/descriptor/index.ts';
import { BlindedKeys } from '../../src/signer/blinded-keys.ts';
import { diagnoseClock } from '../../src/signer/clock-diagnosis.ts';
import type { BackendPolicy } from '../../src/signer/policy/types.ts';
import { forge, identity } from '../descriptor/forge.ts';
import { loadOne, serviceYaml } from './policy/services.ts';

const TRUE_TIME = 1_750_000_000;
const HOUR = 3600;
const DAY = 24 * HOUR;

const backend = (name: string): BackendPolicy => {
  const { kpHsId } = identity(name);
  return { name, kpHsId, address: formatOnionAddress(kpHsId), enabled: true };
};
const service = { ...loadOne(serviceYaml()), backends: [backend('a1'), backend('a2')] };

/** A descriptor that a backend made at this time. */
function made(label: string, at: number): Uint8Array {
  const [period] = publishablePeriods(TOR_NETWORK, at);
  return forge({ label, at, ...(period ? { period } : {}) }).text;
}

const both = (at = TRUE_TIME) => [made('a1', at), made('a2', at)];
const rule = (now: number, texts = both(), of = service) =>
  diagnoseClock({ profile: TOR_NETWORK, blindedKeys: new BlindedKeys(), service: of, texts, now })?.rule;

test.each([6 * HOUR, 3 * DAY, 400 * DAY])('a clock that is off by %i s is told which way', off => {
  expect(rule(TRUE_TIME + off)).toBe('CLOCK-AHEAD');
  expect(rule(TRUE_TIME - off)).toBe('CLOCK-BEHIND');
});

test('a clock within the limits is not blamed', () => {
  for (const now of [TRUE_TIME, TRUE_TIME + HOUR, TRUE_TIME - 60]) expect(rule(now)).toBeUndefined();
});

test('neither is one that some evidence fits, or on which the backends disagree', () => {
  expect(rule(TRUE_TIME, [made('a1', TRUE_TIME), made('a2', TRUE_TIME - 5 * HOUR)])).toBeUndefined();
  expect(rule(TRUE_TIME, [made('a1', TRUE_TIME + DAY), made('a2', TRUE_TIME - DAY)])).toBeUndefined();
});

test('every enabled backend is heard, and nobody else', () => {
  expect(rule(TRUE_TIME - DAY, [made('a1', TRUE_TIME)])).toBeUndefined();
  expect(rule(TRUE_TIME - DAY, [made('a1', TRUE_TIME), made('stranger', TRUE_TIME)])).toBeUndefined();
  expect(rule(TRUE_TIME - DAY, [])).toBeUndefined();
  expect(rule(TRUE_TIME - DAY, [Buffer.from('no descriptor')])).toBeUndefined();
  const [first, second] = service.backends;
  const backends = [first, second && { ...second, enabled: false }].flatMap(each => each ?? []);
  expect(rule(TRUE_TIME - DAY, [made('a1', TRUE_TIME)], { ...service, backends })).toBe('CLOCK-BEHIND');
});

test('one old descriptor alone says nothing of the clock', () => {
  const one = { ...service, backends: service.backends.slice(0, 1) };
  expect(rule(TRUE_TIME + DAY, [made('a1', TRUE_TIME)], one)).toBeUndefined();
});
