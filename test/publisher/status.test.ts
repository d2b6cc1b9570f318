import { describe, expect, it } from 'vitest';
import {
  newServiceState,
  type PublisherState,
  type ServiceState,
  startState,
} from '../../src/publisher/state.ts';
import { publisherMetrics } from '../../src/publisher/metrics.ts';
import { formatStatus, judge, judgeFile } from '../../src/publisher/status.ts';
import { HSDIR_KEEPS_SECONDS } from '../../src/publisher/timing.ts';

import { formatExposition } from '../../src/signer/program/exposition.ts';
import { readExposition } from '../exposition.ts';

const NOW = 1_800_000_000;
const ADDRESS = `${'a'.repeat(56)}.onion`;
const [A, B] = ['A'.repeat(40), 'B'.repeat(40)];

function service(more: Partial<ServiceState> = {}): ServiceState {
  const taken = {
    counter: '9',
    at: NOW,
    result: 'uploaded',
    failures: 0,
    retryAt: NOW,
    accepted: { counter: '9', at: NOW },
  } as const;
  const serving = {
    useFrom: NOW,
    counter: '9',
    points: 'p',
    since: NOW,
    nextAt: NOW + 60,
    reason: 'first',
  } as const;
  const period = { serving, ring: [A, B], hsdirs: { [A]: taken, [B]: taken }, until: NOW + 9999 };
  const description = {
    service: 'frontpage',
    address: ADDRESS,
    network: { name: 'tor', votingIntervalSeconds: 3600, periodLengthMinutes: 1440 },
    backends: [],
    limits: { minPoints: 1, maxPoints: 20, minBackends: 1, maxPointsPerBackend: 20 },
    runwaySeconds: 21_600,
    settings: 1,
  };
  return {
    ...newServiceState('unix:/s', description),
    points: ['k1', 'k2'],
    signedAt: NOW - 60,
    shelfLastsUntil: NOW + 1000,
    backends: { one: { points: 2, misses: 0 }, two: { points: 3, misses: 2, silentSince: NOW } },
    periods: { 1: period, 2: period },
    askedPeriod: 1,
    ...more,
  };
}

function state(services: Record<string, ServiceState>, more: Partial<PublisherState> = {}): PublisherState {
  return {
    ...startState(undefined, ['unix:/s'], NOW),
    tor: { connected: true, since: NOW, hsdirs: 7 },
    signers: { 'unix:/s': { reachable: true, since: NOW } },
    services,
    ...more,
  };
}

describe('The verdict', () => {
  const exit = (services: Record<string, ServiceState>, more: Partial<PublisherState> = {}) =>
    judge(state(services, more), NOW).exitCode;

  it('is well when every HSDir holds ours.', () => {
    expect(judge(state({ frontpage: service() }), NOW)).toMatchObject({
      exitCode: 0,
      services: [
        {
          verdict: 'REACHABLE',
          periods: [{ asked: true, holding: 2, current: 2, ring: 2 }, { asked: false }],
        },
      ],
    });
  });

  it('is degraded with a problem, a missing HSDir, an absent signer or an absent tor.', () => {
    const problems = [{ code: 'X', detail: 'y', severity: 'problem', since: NOW } as const];
    const { periods } = service();
    const missing = { ...periods, 2: { ...periods['2']!, hsdirs: {} } };
    expect(exit({ frontpage: service({ problems }) })).toBe(1);
    expect(exit({ frontpage: service({ periods: missing }) })).toBe(1);
    expect(exit({ frontpage: service() }, { signers: { 'unix:/s': { reachable: false, since: NOW } } })).toBe(
      1,
    );
    expect(exit({ frontpage: service() }, { tor: { connected: false, since: NOW } })).toBe(1);
  });

  it('is down when nobody holds what clients ask for, and when there is no service.', () => {
    const { periods } = service();
    expect(
      exit({ frontpage: service({ periods: { ...periods, 1: { ...periods['1']!, hsdirs: {} } } }) }),
    ).toBe(2);
    expect(exit({ frontpage: service({ askedPeriod: 3 }) })).toBe(2);
    expect(exit({ frontpage: service(), mail: service({ periods: {} }) })).toBe(2);
    expect(exit({})).toBe(2);
  });

  it('forgets what HSDirs have forgotten.', () => {
    const held = state({ frontpage: service() });
    for (const period of Object.values(held.services['frontpage']!.periods)) period.until = NOW + 99_999;
    expect(judge(held, NOW + HSDIR_KEEPS_SECONDS - 1).exitCode).toBe(0);
    expect(judge(held, NOW + HSDIR_KEEPS_SECONDS).exitCode).toBe(2);
  });

  it('may leave services out.', () => {
    const both = state({ frontpage: service(), mail: service({ periods: {} }) });
    expect(judge(both, NOW, name => name === 'frontpage').exitCode).toBe(0);
  });

  it('of a file is at best degraded when no publisher runs.', () => {
    const fresh = state({ frontpage: service() });
    expect(judgeFile(fresh, NOW)).toMatchObject({ exitCode: 0, running: true });
    expect(judgeFile({ ...fresh, running: false }, NOW)).toMatchObject({ exitCode: 1, running: false });
    expect(judgeFile(fresh, NOW + 301)).toMatchObject({ exitCode: 1, running: false });
    expect(judgeFile(state({}, { running: false }), NOW).exitCode).toBe(2);
  });
});

describe('The text of status', () => {
  it('names services by alias and never an address, key or HSDir.', () => {
    const text = formatStatus(judge(state({ frontpage: service() }), NOW));
    expect(text).toContain('frontpage   REACHABLE');
    expect(text).toContain('4 of 4 HSDirs hold ours');
    expect(text).toContain('two SILENT');
    for (const secret of [ADDRESS.slice(0, 56), A, 'k1']) expect(text).not.toContain(secret);
    expect(JSON.stringify(judge(state({ frontpage: service() }), NOW))).not.toContain(ADDRESS.slice(0, 56));
  });

  it('says when there is nothing to say.', () => {
    const text = formatStatus(
      judge(state({}, { signers: { s: { reachable: false, since: NOW, code: 'X' } } }), NOW),
    );
    expect(text).toContain('no service yet');
    expect(text).toContain('does not answer (X)');
  });
});

describe('the numbers', () => {
  it('are those of status, by alias, and hold no address, path or fingerprint.', () => {
    const text = formatExposition(publisherMetrics(state({ frontpage: service() }), NOW, '0.1.0'));
    const read = readExposition(text);
    const samples = (name: string) =>
      read.get(`onion_publisher_${name}`)?.samples.map(({ labels, value }) => ({ ...labels, value }));
    expect(samples('service_verdict')).toEqual([{ service: 'frontpage', verdict: 'REACHABLE', value: 1 }]);
    expect(samples('hsdirs_holding')).toEqual([{ service: 'frontpage', value: 4 }]);
    expect(samples('signer_reachable')).toEqual([{ signer: '0', value: 1 }]);
    expect(samples('backend_silent')).toEqual([
      { service: 'frontpage', backend: 'one', value: 0 },
      { service: 'frontpage', backend: 'two', value: 1 },
    ]);
    expect(samples('without_signer_until_timestamp_seconds')).toEqual([
      { service: 'frontpage', value: NOW + 1000 },
    ]);
    for (const secret of [ADDRESS, A, '/s']) expect(text).not.toContain(secret);
    expect(
      readExposition(formatExposition(publisherMetrics(state({}), NOW, '0.1.0'))).has(
        'onion_publisher_points',
      ),
    ).toBe(false);
  });
});
