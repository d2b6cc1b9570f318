import type { AuditSource } from '../audit/source.ts';
import { auditExitCode, type AuditReport, type Finding } from '../audit/verify.ts';
import { type Entry, parseEntry } from '../journal/entries.ts';

/** What `audit` prints. Everything shown comes from a journal that may be anybody's: bounded, and escaped. */

const MAX_SHOWN = 300;
const VERDICTS = ['the log holds', 'not everything can be told yet', 'THE LOG DOES NOT HOLD'] as const;

export function formatReport(report: AuditReport): string {
  const { proven, pruned, restricted } = report.texts;
  const former = report.formerOrigins.length === 0 ? '' : `, before: ${report.formerOrigins.join(', ')}`;
  return [
    `log         ${report.origin}${former}`,
    `entries     ${report.entries}, of which ${report.unsigned} after the newest checkpoint`,
    `checkpoints ${count(report.checkpoints, 'signature')} verified, ${report.unvouched} not; ${report.contradicted} contradicted by the entries; ${report.lost} of lost histories`,
    ...report.vouchings.map(
      ({ service, address, origin }) => `key         ${origin} by ${address} (${service})`,
    ),
    `releases    ${report.releases}; texts: ${proven} proven, ${restricted} restricted, ${pruned} no longer kept${goneUntilOf(report)}`,
    ...report.findings.map(formatFinding),
    `verdict     ${VERDICTS[auditExitCode(report)]}`,
  ]
    .map(line => `${printable(line)}\n`)
    .join('');
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

/** Of what `keep` would have kept, nothing may be gone: whoever reads this knows that setting. */
const goneUntilOf = ({ goneUntil }: AuditReport): string =>
  goneUntil === undefined ? '' : `, the newest of ${new Date(goneUntil * 1000).toISOString().slice(0, 19)}Z`;

const formatFinding = ({ index, code, message }: Finding): string =>
  `FAULT       ${index === undefined ? '' : `at ${index}: `}${code}: ${message}`;

/**
 * One line for each entry that is asked for; `notice` is told of a service that the whole journal does not have.
 * SignerError JOURNAL_ENTRY for an entry that cannot be read.
 */
export async function* showEntries(
  source: AuditSource,
  wanted: { readonly service?: string; readonly since?: number; readonly json?: boolean },
  notice: (line: string) => void = () => undefined,
): AsyncGenerator<string> {
  const services = new Map<number, string>();
  let [index, isKnown] = [0, wanted.service === undefined];
  for await (const bytes of source.entries(0)) {
    const entry = parseEntry(bytes);
    const service = serviceOf(entry, services);
    if (entry.kind === 'reserved') services.set(index, entry.service);
    isKnown ||= service === wanted.service;
    const isWanted = (wanted.service ?? service) === service && entry.at >= (wanted.since ?? 0);
    if (isWanted)
      yield wanted.json === true ? `${JSON.stringify({ index, ...entry })}\n` : lineOf(index, entry);
    index += 1;
  }
  if (!isKnown) notice(`${printable(wanted.service ?? '')}: the journal has no such service\n`);
}

function serviceOf(entry: Entry, reserved: ReadonlyMap<number, string>): string | undefined {
  if (entry.kind === 'released') return reserved.get(entry.reserved);
  return 'service' in entry ? entry.service : undefined;
}

function lineOf(index: number, { kind, at, ...fields }: Entry): string {
  const time = new Date(at * 1000).toISOString().slice(0, 19);
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${valueOf(name, value)}`);
  return `${printable([String(index).padStart(6), `${time}Z`, kind.padEnd(9), ...shown].join(' '))}\n`;
}

function valueOf(name: string, value: unknown): string {
  if (name === 'signatures' && Array.isArray(value))
    return value.map((each: { administrator: string }) => each.administrator).join(',') || 'none';
  if (Array.isArray(value)) return String(value.length);
  // Of a vouching the address and the key.
  const text = name === 'note' ? String(value).split('\n').slice(1, 3).join(' ') : value;
  return typeof text === 'string' && /^[!-~]+$/.test(text) ? text : JSON.stringify(text);
}

const printable = (text: string): string => text.replace(/[^ -~]/g, '?').slice(0, MAX_SHOWN);
