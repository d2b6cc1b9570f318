// From samples to figures, and from figures to a table.

import type { Memory } from './processes.ts';
import { POINT_COUNTS, type Mode, type Sample, type Subject } from './rounds.ts';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One line of the table. */
export interface Row {
  readonly subject: Subject;
  readonly mode: Mode;
  readonly points: number;
  readonly perSecond: Spread;
  /** Processor milliseconds for one descriptor; of the whole signer core and keyholder together. */
  readonly cpuMs: Spread;
  /** Rate over stem's of the same round, by the clock and by processor time. */
  readonly ratio?: Spread;
  readonly cpuRatio?: Spread;
}

export interface Load {
  readonly points: number;
  readonly requestsPerSecond: Spread;
  readonly latencyMs: { readonly median: number; readonly p95: number; readonly max: number };
  readonly cpuMsPerDescriptor: { readonly core: number; readonly keyholder: number; readonly client: number };
}

export interface Goal {
  readonly goal: string;
  readonly observed: number;
  readonly limit: number;
  readonly met: boolean;
}

export interface Report {
  readonly rounds: number;
  readonly services: number;
  readonly pinned: boolean;
  readonly rows: readonly Row[];
  readonly load: readonly Load[];
  /** Megabytes (10^6 bytes) by process. */
  readonly memory: Readonly<Record<string, Memory>>;
  readonly goals: readonly Goal[];
}

const TIMES_STEM = 3;
const MAX_MEGABYTES = 150;

/** Modes that are compared with stem's under another name. */
const STEM_MODE: Readonly<Record<Mode, Mode>> = {
  'new-key': 'new-key',
  'new-key-all-verified': 'new-key',
  unchanged: 'unchanged',
};

export function compile(
  samples: readonly Sample[],
  memory: Readonly<Record<string, Memory>>,
  run: Pick<Report, 'rounds' | 'services' | 'pinned'>,
): Report {
  const order = samples.filter(({ round }) => round === samples[0]?.round);
  const rows = order.map(({ subject, mode, points }) => makeRow(samples, subject, mode, points));
  const load = POINT_COUNTS.map(points => makeLoad(samples, points));
  return { ...run, rows, load, memory, goals: judge(rows, memory) };
}

function makeRow(samples: readonly Sample[], subject: Subject, mode: Mode, points: number): Row {
  const own = select(samples, subject, mode, points);
  const row = {
    subject,
    mode,
    points,
    perSecond: spread(own.map(({ wallSeconds }) => 1 / wallSeconds)),
    cpuMs: spread(own.map(({ cpuSeconds }) => 1000 * cpuSeconds)),
  };
  if (subject === 'stem') return row;
  const stem = new Map(select(samples, 'stem', STEM_MODE[mode], points).map(each => [each.round, each]));
  const ratios = (field: 'wallSeconds' | 'cpuSeconds'): Spread =>
    spread(own.map(each => (stem.get(each.round)?.[field] ?? Number.NaN) / each[field]));
  return { ...row, ratio: ratios('wallSeconds'), cpuRatio: ratios('cpuSeconds') };
}

function makeLoad(samples: readonly Sample[], points: number): Load {
  const stretches = select(samples, 'signer', 'unchanged', points).flatMap(({ stretch }) => stretch ?? []);
  const latency = stretches.flatMap(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const cpu = (part: 'core' | 'keyholder' | 'client'): number =>
    spread(stretches.map(({ cpuSeconds, descriptors }) => (1000 * cpuSeconds[part]) / descriptors)).median;
  return {
    points,
    requestsPerSecond: spread(stretches.map(({ requests, wallSeconds }) => requests / wallSeconds)),
    latencyMs: { median: quantile(latency, 0.5), p95: quantile(latency, 0.95), max: quantile(latency, 1) },
    cpuMsPerDescriptor: { core: cpu('core'), keyholder: cpu('keyholder'), client: cpu('client') },
  };
}

function judge(rows: readonly Row[], memory: Readonly<Record<string, Memory>>): Goal[] {
  const goals: Goal[] = [];
  for (const { subject, mode, points, ratio } of rows) {
    const isGoal = subject === 'signer' || (subject === 'library' && mode === 'new-key');
    if (!isGoal || ratio === undefined) continue;
    const goal = `${TITLES[subject][mode]}, ${points} points: ${TIMES_STEM} times stem`;
    goals.push({ goal, observed: ratio.median, limit: TIMES_STEM, met: ratio.median >= TIMES_STEM });
  }
  for (const [name, { peak }] of Object.entries(memory)) {
    const goal = `${name}: at most ${MAX_MEGABYTES} MB`;
    goals.push({ goal, observed: peak, limit: MAX_MEGABYTES, met: peak <= MAX_MEGABYTES });
  }
  return goals;
}

const TITLES: Readonly<Record<Subject, Readonly<Record<Mode, string>>>> = {
  stem: {
    'new-key': 'stem, new period key',
    'new-key-all-verified': '',
    unchanged: 'stem, unchanged points',
  },
  library: {
    'new-key': 'library, new period key, same work',
    'new-key-all-verified': 'library, new period key, all certificates verified',
    unchanged: 'library, unchanged points',
  },
  signer: { 'new-key': '', 'new-key-all-verified': '', unchanged: 'whole signer, unchanged points' },
};

/** The report as text for people. */
export function formatReport({ rows, load, memory, goals, rounds, services, pinned }: Report): string {
  const place = pinned ? 'all processes on one core' : 'NOT pinned to one core: taskset is missing';
  const lines = [
    `${rounds} rounds, ${place}, ${services} services. Median, and min to max, over the rounds.`,
    '',
    table([
      ['', 'points', 'descriptors/s', '', 'CPU ms', 'times stem', '', 'by CPU'],
      ...rows.map(row => [
        TITLES[row.subject][row.mode],
        String(row.points),
        ...cells(row.perSecond, 0),
        row.cpuMs.median.toFixed(2),
        ...(row.ratio === undefined ? ['', ''] : cells(row.ratio, 2)),
        row.cpuRatio?.median.toFixed(2) ?? '',
      ]),
    ]),
    table([
      [
        'whole signer',
        'points',
        'requests/s',
        '',
        'latency ms',
        'p95',
        'max',
        'CPU ms: core',
        'keyholder',
        'client',
      ],
      ...load.map(({ points, requestsPerSecond, latencyMs, cpuMsPerDescriptor }) => [
        '',
        String(points),
        ...cells(requestsPerSecond, 1),
        ...[latencyMs.median, latencyMs.p95, latencyMs.max].map(ms => ms.toFixed(0)),
        ...Object.values(cpuMsPerDescriptor).map(ms => ms.toFixed(2)),
      ]),
    ]),
    table([
      ['memory, MB', 'now', 'most'],
      ...Object.entries(memory).map(([name, { resident, peak }]) => [
        name,
        resident.toFixed(0),
        peak.toFixed(0),
      ]),
    ]),
    ...goals.map(
      ({ goal, observed, met }) => `${met ? 'met   ' : 'MISSED'}  ${goal} (${observed.toFixed(2)})`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

const cells = ({ median, min, max }: Spread, digits: number): string[] => [
  median.toFixed(digits),
  `${min.toFixed(digits)} to ${max.toFixed(digits)}`,
];

/** The first column to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map(row => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ');
  return `${rows.map(row => line(row).trimEnd()).join('\n')}\n`;
}

function select(samples: readonly Sample[], subject: Subject, mode: Mode, points: number): Sample[] {
  return samples.filter(each => each.subject === subject && each.mode === mode && each.points === points);
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), min: quantile(sorted, 0), max: quantile(sorted, 1) };
}

/** Of sorted values; between two of them in proportion. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [below = Number.NaN, above = Number.NaN] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return below + (above - below) * (at - Math.floor(at));
}
