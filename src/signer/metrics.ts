import { statfsSync } from 'node:fs';
import type { Denied, ProblemCode } from './contract/problems.ts';
import type { ServiceStatus, StatusAnswer, TokenStatus } from './contract/requests.ts';
import type { CustodyStatus } from './ports.ts';
import { Counter, type Family, gaugesOf, Histogram, type Sample, samplesOf } from './program/exposition.ts';
import type { RouteContext } from './routes.ts';
import { describeStatus, isAlarm } from './status.ts';

const gauge = gaugesOf('onion_signer_');
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * What happened since the start, in numbers. Labels are names of policy and codes of closed sets: no address, key, point
 * or text of a publisher can come into one.
 */
export class SignerMetrics {
  readonly #requests = new Counter();
  readonly #durations = new Histogram(BUCKETS);
  readonly #answers = new Counter();
  readonly #texts = new Counter();
  readonly #denials = new Counter();
  readonly #problems = new Counter();
  readonly #opened = new Map<string, number>();
  readonly #certified = new Map<string, number>();

  /** A request that was answered; `route` is a pattern of ours, not what was asked for. */
  answered(publisher: string, route: string, status: number, seconds: number): void {
    this.#requests.add({ publisher, route, status: String(status) });
    this.#durations.observe({ route }, seconds);
  }

  signed(publisher: string, service: string, texts: number, repeated: boolean): void {
    this.#answers.add({ publisher, service, kind: repeated ? 'repeated' : 'signed' });
    if (!repeated) this.#texts.add({ service }, texts);
  }

  denied(publisher: string, { rule }: Denied): void {
    this.#denials.add({ publisher, rule });
  }

  failed(publisher: string, code: ProblemCode): void {
    this.#problems.add({ publisher, code });
  }

  /** What is certified now; more than before means that the token was opened meanwhile. */
  custody(services: readonly Pick<CustodyStatus, 'alias' | 'certifiedUntil'>[], now: number): void {
    for (const { alias, certifiedUntil } of services) {
      const before = this.#certified.get(alias);
      if (before !== undefined && certifiedUntil > before) this.#opened.set(alias, now);
      this.#certified.set(alias, certifiedUntil);
    }
  }

  families(): Family[] {
    const opened = [...this.#opened].map(([service, value]) => ({ labels: { service }, value }));
    return [
      counter('requests_total', 'Requests that were answered.', this.#requests.samples()),
      {
        name: 'onion_signer_request_duration_seconds',
        type: 'histogram',
        help: 'Time from a request to the end of its answer.',
        samples: this.#durations.samples(),
      },
      counter('answers_total', 'Answers with texts, fresh ones and repeated ones.', this.#answers.samples()),
      counter('texts_signed_total', 'Descriptors that were signed.', this.#texts.samples()),
      counter(
        'denials_total',
        'Requests that policy or an invariant denied, by rule.',
        this.#denials.samples(),
      ),
      counter('problems_total', 'Requests that failed otherwise, by code.', this.#problems.samples()),
      gauge('token_opened_timestamp_seconds', 'When the token last certified, if since the start.', opened),
    ];
  }
}

/** Everything that /metrics shows; `state` is the folder of the journal. */
export async function collectMetrics(
  context: RouteContext,
  state: string,
  version: string,
): Promise<Family[]> {
  const { core, metrics, startedAt } = context;
  const { bytes, quotaBytes } = core.journal.size;
  const { bavail, bsize } = statfsSync(state);
  let status: StatusAnswer | undefined;
  try {
    status = await describeStatus(context, undefined);
  } catch {
    // The keyholder does not answer: that is what the gauge below says, and the rest is told as well.
  }
  return [
    gauge('build_info', 'The version that runs.', [{ labels: { version }, value: 1 }]),
    gauge('start_timestamp_seconds', 'When the daemon started.', [{ value: startedAt }]),
    gauge('keyholder_up', 'Whether the keyholder answers.', [{ value: status === undefined ? 0 : 1 }]),
    gauge('journal_bytes', 'Bytes of the journal.', [{ value: bytes }]),
    gauge('journal_quota_bytes', 'Bytes that the journal may have.', [{ value: quotaBytes }]),
    gauge('state_free_bytes', 'Bytes that are free where the state lies.', [{ value: bavail * bsize }]),
    gauge('journal_entries', 'Leaves of the log.', [{ value: core.journal.head().size }]),
    ...(status === undefined ? [] : statusFamilies(status)),
    ...metrics.families(),
  ];
}

function statusFamilies(status: StatusAnswer): Family[] {
  const { ready, code, policySerial, services } = status;
  const each = (pick: (service: ServiceStatus) => number | undefined): Sample[] =>
    samplesOf(services, ({ service }) => ({ service }), pick);
  return [
    gauge('ready', 'Whether every service is ready and nothing is halted.', [{ value: ready ? 1 : 0 }]),
    gauge(
      'halted',
      'Why nothing is signed for anybody.',
      code === undefined ? [] : [{ labels: { code }, value: 1 }],
    ),
    gauge('policy_serial', 'Serial of the policy in force.', [{ value: policySerial }]),
    gauge(
      'service_state',
      'The state that holds: ready, degraded, latched, down or disabled.',
      services.map(({ service, state }) => ({ labels: { service, state }, value: 1 })),
    ),
    gauge(
      'certified_until_timestamp_seconds',
      'Until when the service lives without its token.',
      each(({ certifiedUntil }) => certifiedUntil),
    ),
    gauge(
      'exposure_end_timestamp_seconds',
      'When the last certificate that was released ends.',
      each(({ exposureEnd }) => exposureEnd),
    ),
    gauge(
      'custody_failing',
      'Openings of the token that fail, and pause longer and longer, by code.',
      services.flatMap(({ service, code: failing }) =>
        failing === undefined ? [] : [{ labels: { service, code: failing }, value: 1 }],
      ),
    ),
    gauge(
      'custody_alarm',
      'Half of `ahead` is gone, or all of it: onion-signer status says what to do about the code.',
      services
        .filter(isAlarm)
        .map(({ service, code: alarm = '' }) => ({ labels: { service, code: alarm }, value: 1 })),
    ),
    ...custodyFamilies(status),
  ];
}

/** Tokens by their place in configuration and what selects them; the one breaker over them. */
function custodyFamilies({ tokens = [], breaker }: StatusAnswer): Family[] {
  const labelled = tokens.map((status, i) => ({
    ...status,
    labels: { place: String(i + 1), token: status.token },
  }));
  const each = (pick: (token: TokenStatus) => number | undefined): Sample[] =>
    samplesOf(labelled, ({ labels }) => labels, pick);
  const open = breaker?.state === 'open' ? breaker : undefined;
  return [
    gauge(
      'token_failing',
      'Tokens that opened nothing when they were asked last, by code.',
      labelled.flatMap(({ labels, code }) =>
        code === undefined ? [] : [{ labels: { ...labels, code }, value: 1 }],
      ),
    ),
    gauge(
      'token_last_opened_timestamp_seconds',
      'When a token opened a service last.',
      each(({ openedAt }) => openedAt),
    ),
    gauge(
      'token_last_seen_timestamp_seconds',
      'When a token was there last.',
      each(({ seenAt }) => seenAt),
    ),
    gauge('breaker_open', 'Whether tokens are left alone after a failure, by code.', [
      { labels: open?.code === undefined ? {} : { code: open.code }, value: open === undefined ? 0 : 1 },
    ]),
    gauge(
      'breaker_since_timestamp_seconds',
      'Since when the breaker is open.',
      open?.since === undefined ? [] : [{ value: open.since }],
    ),
    gauge(
      'breaker_next_try_timestamp_seconds',
      'When a token is asked or looked for again.',
      open?.nextTry === undefined ? [] : [{ value: open.nextTry }],
    ),
  ];
}

const counter = (name: string, help: string, samples: readonly Sample[]): Family => ({
  name: `onion_signer_${name}`,
  type: 'counter',
  help,
  samples,
});
