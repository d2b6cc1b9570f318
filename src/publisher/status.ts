import type { PeriodState, PublisherState, ServiceState } from './state.ts';
import { HSDIR_KEEPS_SECONDS } from './timing.ts';

export type Verdict = 'REACHABLE' | 'DEGRADED' | 'DOWN';

/** What `status` says of one service. Times in Unix seconds. */
export type ServiceReport = {
  readonly service: string;
  readonly verdict: Verdict;
  readonly periods: readonly PeriodReport[];
  readonly points: number;
  /** Whether the newest text can be read by authorized clients only. */
  readonly restricted: boolean;
  readonly backends: readonly { readonly name: string; readonly points: number; readonly silent: boolean }[];
  readonly signedAt: number | undefined;
  readonly nextAt: number | undefined;
  /** Until when HSDirs hold something of ours should the signer stay dead. */
  readonly withoutSignerUntil: number | undefined;
  readonly problems: readonly { readonly code: string; readonly detail: string; readonly severity: string }[];
};

export type PeriodReport = {
  readonly periodNum: number;
  /** Whether clients ask for this one now. */
  readonly asked: boolean;
  readonly holding: number;
  readonly current: number;
  readonly ring: number;
};

export type StatusReport = {
  readonly exitCode: 0 | 1 | 2;
  readonly running: boolean;
  readonly updatedAt: number;
  readonly tor: PublisherState['tor'];
  readonly signers: readonly { readonly name: string; readonly reachable: boolean; readonly code?: string }[];
  readonly services: readonly ServiceReport[];
};

/** A running publisher writes its state at least once a minute. */
const STALE_SECONDS = 300;

/** Reads a verdict out of the state: 0 well, 1 degraded, 2 when a service is down or there is none. */
export function judge(
  state: PublisherState,
  now: number,
  wanted: (service: string) => boolean = () => true,
): StatusReport {
  const running = state.running && now - state.updatedAt < STALE_SECONDS;
  const services = Object.entries(state.services)
    .filter(([name]) => wanted(name))
    .map(([, service]) => judgeService(service, now));
  const signers = Object.entries(state.signers).map(([name, { reachable, code }]) => ({
    name,
    reachable,
    ...(code === undefined ? {} : { code }),
  }));
  const down = services.length === 0 || services.some(({ verdict }) => verdict === 'DOWN');
  const sick =
    services.some(({ verdict }) => verdict === 'DEGRADED') || signers.some(({ reachable }) => !reachable);
  const exitCode = down ? 2 : sick || !state.tor.connected ? 1 : 0;
  return { exitCode, running, updatedAt: state.updatedAt, tor: state.tor, signers, services };
}

/** The verdict of `status`: as `judge`, but a publisher that does not run is at best degraded. */
export function judgeFile(state: PublisherState, now: number): StatusReport {
  const report = judge(state, now);
  return report.running || report.exitCode !== 0 ? report : { ...report, exitCode: 1 };
}

function judgeService(state: ServiceState, now: number): ServiceReport {
  const periods = Object.entries(state.periods)
    .filter(([, period]) => period.until > now)
    .map(([periodNum, period]) => reportPeriod(Number(periodNum), period, state.askedPeriod, now));
  const asked = periods.find(period => period.asked);
  const isDown = asked === undefined || asked.holding === 0;
  const isWhole = periods.every(({ holding, ring }) => holding === ring);
  const verdict = isDown ? 'DOWN' : isWhole && state.problems.length === 0 ? 'REACHABLE' : 'DEGRADED';
  const serving = Object.values(state.periods).flatMap(period => period.serving ?? []);
  return {
    service: state.description.service,
    verdict,
    periods,
    points: state.points.length,
    restricted: state.restricted ?? false,
    backends: Object.entries(state.backends).map(([name, backend]) => ({
      name,
      points: backend.points,
      silent: backend.silentSince !== undefined,
    })),
    signedAt: state.signedAt,
    nextAt: serving.length === 0 ? undefined : Math.min(...serving.map(({ nextAt }) => nextAt)),
    withoutSignerUntil: state.shelfLastsUntil,
    problems: state.problems.map(({ code, detail, severity }) => ({ code, detail, severity })),
  };
}

function reportPeriod(
  periodNum: number,
  { ring, hsdirs, serving }: PeriodState,
  askedPeriod: number | undefined,
  now: number,
): PeriodReport {
  const held = ring.filter(fingerprint => {
    const accepted = hsdirs[fingerprint]?.accepted;
    return accepted !== undefined && now < accepted.at + HSDIR_KEEPS_SECONDS;
  });
  const current = held.filter(fingerprint => hsdirs[fingerprint]?.accepted?.counter === serving?.counter);
  return {
    periodNum,
    asked: periodNum === askedPeriod,
    holding: held.length,
    current: current.length,
    ring: ring.length,
  };
}

/** The report as text: services by alias, nothing that names an address. */
export function formatStatus(report: StatusReport): string {
  const lines = report.services.flatMap(formatService);
  const age = report.running ? '' : ' · publisher NOT RUNNING';
  const tor = report.tor.connected
    ? `connected, ${report.tor.hsdirs ?? 0} HSDirs`
    : `away (${report.tor.code ?? '?'})`;
  lines.push(`${'tor'.padEnd(12)}${tor} · state of ${clock(report.updatedAt)}${age}`);
  for (const { name, reachable, code } of report.signers) {
    lines.push(
      `${'signer'.padEnd(12)}${name} ${reachable ? 'answers' : `does not answer (${code ?? 'not asked yet'})`}`,
    );
  }
  if (report.services.length === 0) lines.push('no service yet: the signer has named none');
  return `${lines.join('\n')}\n`;
}

function formatService(report: ServiceReport): string[] {
  const { service, verdict, withoutSignerUntil, signedAt, nextAt } = report;
  const sum = (pick: (period: PeriodReport) => number): number =>
    report.periods.reduce((total, period) => total + pick(period), 0);
  const backends = report.backends.map(({ name, points, silent }) => `${name} ${silent ? 'SILENT' : points}`);
  const live = `${sum(({ holding }) => holding)} of ${sum(({ ring }) => ring)} HSDirs hold ours`;
  const newest = `${sum(({ current }) => current)} the newest`;
  const signed = signedAt === undefined ? 'not signed yet' : `signed ${clock(signedAt)}`;
  const next = nextAt === undefined ? '' : `, next ${clock(nextAt)}`;
  const survives =
    withoutSignerUntil === undefined ? '' : `without signer until ${clock(withoutSignerUntil)}`;
  return [
    `${service.padEnd(12)}${verdict.padEnd(11)} ${survives}`.trimEnd(),
    `  live      ${live}, ${newest}${report.restricted ? ' · restricted' : ''} · points ${report.points} (${backends.join(', ')}) · ${signed}${next}`,
    ...report.problems.map(({ code, detail, severity }) => `  ${severity.padEnd(9)} ${code}: ${detail}`),
  ];
}

function clock(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
