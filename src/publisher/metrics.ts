import type { Family, Sample } from '../signer/program/exposition.ts';
import type { PublisherState } from './state.ts';
import { judge, type ServiceReport } from './status.ts';

/** What `/metrics` of the publisher shows: the verdicts of `status`, by alias alone. Times in Unix seconds. */
export function publisherMetrics(state: PublisherState, now: number, version: string): Family[] {
  const report = judge(state, now);
  const each = (pick: (service: ServiceReport) => number | undefined): Sample[] =>
    report.services.flatMap(service => {
      const value = pick(service);
      return value === undefined ? [] : [{ labels: { service: service.service }, value }];
    });
  const sum = ({ periods }: ServiceReport, key: 'holding' | 'current' | 'ring'): number =>
    periods.reduce((total, period) => total + period[key], 0);
  const perBackend = (pick: (backend: ServiceReport['backends'][number]) => number): Sample[] =>
    report.services.flatMap(({ service, backends }) =>
      backends.map(backend => ({ labels: { service, backend: backend.name }, value: pick(backend) })),
    );
  return [
    gauge('build_info', 'The version that runs.', [{ labels: { version }, value: 1 }]),
    gauge('start_timestamp_seconds', 'When the publisher started.', [{ value: state.startedAt }]),
    gauge('tor_connected', 'Whether tor is connected.', [{ value: report.tor.connected ? 1 : 0 }]),
    gauge(
      'signer_reachable',
      'Whether a signer answers, by its place in publisher.yaml.',
      signers(report.signers),
    ),
    gauge(
      'service_verdict',
      'The verdict that holds: REACHABLE, DEGRADED or DOWN.',
      report.services.map(({ service, verdict }) => ({ labels: { service, verdict }, value: 1 })),
    ),
    gauge(
      'hsdirs_responsible',
      'HSDirs that clients ask.',
      each(service => sum(service, 'ring')),
    ),
    gauge(
      'hsdirs_holding',
      'Of these, with a descriptor of ours.',
      each(service => sum(service, 'holding')),
    ),
    gauge(
      'hsdirs_current',
      'Of these, with the newest one.',
      each(service => sum(service, 'current')),
    ),
    gauge(
      'points',
      'Introduction points in the newest descriptor.',
      each(({ points }) => points),
    ),
    gauge(
      'signed_timestamp_seconds',
      'When the signer last signed.',
      each(({ signedAt }) => signedAt),
    ),
    gauge(
      'without_signer_until_timestamp_seconds',
      'Until when HSDirs hold something of ours without the signer.',
      each(({ withoutSignerUntil }) => withoutSignerUntil),
    ),
    gauge(
      'problems',
      'Problems that status shows.',
      each(({ problems }) => problems.length),
    ),
    gauge(
      'backend_points',
      'Points that a backend offers.',
      perBackend(({ points }) => points),
    ),
    gauge(
      'backend_silent',
      'Whether a backend is silent.',
      perBackend(({ silent }) => (silent ? 1 : 0)),
    ),
  ];
}

const signers = (all: readonly { readonly reachable: boolean }[]): Sample[] =>
  all.map(({ reachable }, index) => ({ labels: { signer: String(index) }, value: reachable ? 1 : 0 }));

const gauge = (name: string, help: string, samples: readonly Sample[]): Family => ({
  name: `onion_publisher_${name}`,
  type: 'gauge',
  help,
  samples,
});
