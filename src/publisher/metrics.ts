import { type Family, gaugesOf, samplesOf } from '../signer/program/exposition.ts';
import type { PublisherState } from './state.ts';
import { judge, type ServiceReport, type StatusReport } from './status.ts';

const gauge = gaugesOf('onion_publisher_');

/** What `/metrics` of the publisher shows: the verdicts of `status`, by alias alone. Times in Unix seconds. */
export function publisherMetrics(state: PublisherState, now: number, version: string): Family[] {
  const report = judge(state, now);
  return [
    gauge('build_info', 'The version that runs.', [{ labels: { version }, value: 1 }]),
    gauge('start_timestamp_seconds', 'When the publisher started.', [{ value: state.startedAt }]),
    gauge('tor_connected', 'Whether tor is connected.', [{ value: report.tor.connected ? 1 : 0 }]),
    gauge(
      'signer_reachable',
      'Whether a signer answers, by its place in publisher.yaml.',
      report.signers.map(({ reachable }, index) => ({
        labels: { signer: String(index) },
        value: reachable ? 1 : 0,
      })),
    ),
    ...serviceFamilies(report),
    ...backendFamilies(report),
  ];
}

function serviceFamilies({ services }: StatusReport): Family[] {
  const each = (name: string, help: string, pick: (service: ServiceReport) => number | undefined): Family =>
    gauge(
      name,
      help,
      samplesOf(services, ({ service }) => ({ service }), pick),
    );
  const sum = ({ periods }: ServiceReport, key: 'holding' | 'current' | 'ring'): number =>
    periods.reduce((total, period) => total + period[key], 0);
  return [
    gauge(
      'service_verdict',
      'The verdict that holds: REACHABLE, DEGRADED or DOWN.',
      services.map(({ service, verdict }) => ({ labels: { service, verdict }, value: 1 })),
    ),
    each('hsdirs_responsible', 'HSDirs that clients ask.', service => sum(service, 'ring')),
    each('hsdirs_holding', 'Of these, with a descriptor of ours.', service => sum(service, 'holding')),
    each('hsdirs_current', 'Of these, with the newest one.', service => sum(service, 'current')),
    each('points', 'Introduction points in the newest descriptor.', ({ points }) => points),
    each('signed_timestamp_seconds', 'When the signer last signed.', ({ signedAt }) => signedAt),
    each(
      'without_signer_until_timestamp_seconds',
      'Until when HSDirs hold something of ours without the signer.',
      ({ withoutSignerUntil }) => withoutSignerUntil,
    ),
    each('problems', 'Problems that status shows.', ({ problems }) => problems.length),
  ];
}

function backendFamilies({ services }: StatusReport): Family[] {
  const all = services.flatMap(({ service, backends }) => backends.map(backend => ({ service, ...backend })));
  const each = (name: string, help: string, pick: (backend: (typeof all)[number]) => number): Family =>
    gauge(
      name,
      help,
      samplesOf(all, ({ service, name: backend }) => ({ service, backend }), pick),
    );
  return [
    each('backend_points', 'Points that a backend offers.', ({ points }) => points),
    each('backend_silent', 'Whether a backend is silent.', ({ silent }) => (silent ? 1 : 0)),
  ];
}
