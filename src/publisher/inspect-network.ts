import PQueue from 'p-queue';
import { parseDescriptor, parseOnionAddress, sha256Hex } from '../descriptor/index.ts';
import type { Rng } from './choose.ts';
import type { ControlPort } from './control/commands.ts';
import { codeOf, PublisherError } from './error.ts';
import { type FetchedText, fetchDescriptorText } from './hs-desc.ts';
import { inspectDescriptor, make } from './inspect.ts';
import type { DiagnosisReason } from './inspect-diagnosis.ts';
import {
  type Finding,
  type FindingCode,
  type HsDirAnswer,
  type InspectReport,
  iso,
  type NetworkSight,
  type Remark,
} from './inspect-report.ts';
import { profileOf } from './inspect-times.ts';
import {
  fetchRing,
  isMostlyComplete,
  isReasonablyLive,
  networkMismatch,
  type NetworkView,
  publicationRings,
  readNetworkView,
} from './network-view.ts';

export type AddressQuery = {
  /** 62 characters, with `.onion`. */
  readonly address: string;
  /** Every responsible HSDir, not only until one has it. */
  readonly all: boolean;
  readonly clientKey?: Uint8Array | undefined;
  readonly timeoutMs: number;
  readonly now: number;
  readonly rng: Rng;
};

type Answered = { readonly sight: HsDirAnswer; readonly text?: string };

const AT_ONCE = 4;
/** tor says nothing when a circuit fails: one more try, before that is told of the HSDir. */
const ATTEMPTS = 2;

/** The consensus of tor, good enough to know who is responsible. Throws PublisherError CONSENSUS_MISSING, NETWORK_UNKNOWN. */
export async function readUsableView(tor: ControlPort, now: number): Promise<NetworkView> {
  let view: NetworkView;
  try {
    view = await readNetworkView(tor);
  } catch (thrown) {
    // Tor refuses GETINFO until it has a consensus.
    if (codeOf(thrown) !== 'CONTROL_REPLY') throw thrown;
    throw new PublisherError('CONSENSUS_MISSING', undefined, { cause: thrown });
  }
  if (!isReasonablyLive(view, now) || !isMostlyComplete(view)) throw new PublisherError('CONSENSUS_MISSING');
  return view;
}

/**
 * Fetches the descriptor that clients ask for now from the HSDirs that are responsible under this consensus, and
 * inspects the newest text. Throws PublisherError NETWORK_UNKNOWN, ControlError when the connection to tor is over,
 * DescriptorError BAD_ADDRESS.
 */
export async function inspectAddress(
  tor: ControlPort,
  view: NetworkView,
  query: AddressQuery,
): Promise<InspectReport> {
  const kpHsId = parseOnionAddress(query.address);
  const profile = profileOf(view.freshUntil - view.validAfter);
  const mismatch = networkMismatch(view, profile);
  if (mismatch !== undefined) throw new PublisherError('NETWORK_UNKNOWN', mismatch);
  const asked = new Set(fetchRing(view, profile, kpHsId).hsdirs);
  const [ring] = publicationRings(view, profile, kpHsId);
  const everybody = [...new Set([...(ring?.hsdirs ?? []), ...asked])];
  const servers = query.all ? everybody : shuffled([...asked], query.rng);
  const answers = query.all
    ? await askAll(tor, query, servers, asked)
    : await askUntil(tor, query, servers, asked);
  const served = answers.flatMap(each => (each.text === undefined ? [] : [{ ...each, text: each.text }]));
  const newest = served.reduce<(typeof served)[number] | undefined>(
    (best, each) => (best === undefined || counterOf(each) > counterOf(best) ? each : best),
    undefined,
  );
  const sight: NetworkSight = {
    address: query.address,
    validAfter: iso(view.validAfter),
    votingInterval: profile.votingIntervalSeconds,
    periodNum: ring?.period.periodNum ?? 0,
    all: query.all,
    agree: new Set(served.map(({ sight: { digest } }) => digest)).size <= 1,
    ...(newest?.sight.digest === undefined ? {} : { shown: newest.sight.digest }),
    hsdirs: answers.map(each => each.sight),
  };
  const findings = networkFindings(sight, query.all);
  const remarks = incompleteRemarks(view);
  if (newest === undefined) return { format: 1, network: sight, findings, remarks, exitCode: 2 };
  const report = inspectDescriptor(Buffer.from(newest.text, 'latin1'), {
    address: query.address,
    votingInterval: profile.votingIntervalSeconds,
    clientKey: query.clientKey,
    now: query.now,
    publishedAt: view.validAfter,
  });
  return {
    ...report,
    network: sight,
    findings: [...findings, ...report.findings],
    remarks: [...remarks, ...report.remarks],
    exitCode: report.exitCode === 0 && findings.length > 0 ? 1 : report.exitCode,
  };
}

async function askAll(
  tor: ControlPort,
  query: AddressQuery,
  servers: readonly string[],
  asked: ReadonlySet<string>,
): Promise<Answered[]> {
  const queue = new PQueue({ concurrency: AT_ONCE });
  return queue.addAll(servers.map(server => async () => ask(tor, query, server, asked)));
}

/** One after another, until one serves it. */
async function askUntil(
  tor: ControlPort,
  query: AddressQuery,
  servers: readonly string[],
  asked: ReadonlySet<string>,
): Promise<Answered[]> {
  const answers: Answered[] = [];
  for (const server of servers) {
    const answer = await ask(tor, query, server, asked);
    answers.push(answer);
    if (answer.text !== undefined) break;
  }
  return answers;
}

async function ask(
  tor: ControlPort,
  { address, timeoutMs }: AddressQuery,
  fingerprint: string,
  asked: ReadonlySet<string>,
): Promise<Answered> {
  let fetched: FetchedText = { ok: false, code: 'TIMEOUT' };
  for (let left = ATTEMPTS; left > 0 && !fetched.ok && fetched.code === 'TIMEOUT'; left--) {
    fetched = await fetchDescriptorText(tor, { address, fingerprint, timeoutMs });
  }
  const askedByClients = asked.has(fingerprint);
  if (!fetched.ok) return { sight: { fingerprint, askedByClients, result: 'failed', code: fetched.code } };
  const { text } = fetched;
  const bytes = Buffer.from(text, 'latin1');
  const revisionCounter = counterText(bytes);
  const sight: HsDirAnswer = {
    fingerprint,
    askedByClients,
    result: 'served',
    bytes: bytes.length,
    ...(revisionCounter === undefined ? {} : { revisionCounter }),
    digest: sha256Hex(bytes),
  };
  return { sight, text };
}

function counterText(bytes: Uint8Array): string | undefined {
  try {
    return parseDescriptor(bytes).revisionCounter.toString();
  } catch {
    // Not well-formed in our eyes, if in tor's: the inspection says what is wrong.
    return undefined;
  }
}

function counterOf({ sight: { revisionCounter } }: Answered): bigint {
  return BigInt(revisionCounter ?? -1);
}

function networkFindings({ hsdirs }: NetworkSight, all: boolean): Finding[] {
  const served = hsdirs.filter(({ result }) => result === 'served');
  const failed = hsdirs.filter(({ result }) => result === 'failed');
  if (served.length === 0) {
    const codes = [...new Set(failed.map(({ code }) => code ?? 'FAILED'))].join(', ');
    const reason = failed.some(({ code }) => code === 'NOT_FOUND') ? 'NOT_PUBLISHED' : 'NOT_REACHED';
    return [make('NOTHING_REACHED', `none of ${hsdirs.length} HSDirs served it: ${codes}`, reason)];
  }
  const lacking = failed.filter(({ code }) => code === 'NOT_FOUND');
  const refused = failed.filter(({ code }) => code === 'BAD_DESC');
  const silent = failed.filter(each => !lacking.includes(each) && !refused.includes(each));
  return [
    ...differing(served),
    ...about(lacking, 'HSDIR_LACKS', 'HSDIR_LACKS', 'do not have it'),
    ...about(refused, 'HSDIR_BAD_TEXT', 'HSDIR_BAD_TEXT', 'gave what tor does not take'),
    ...about(all ? silent : [], 'HSDIR_SILENT', 'HSDIR_SILENT', 'could not be asked'),
  ];
}

function about(
  hsdirs: readonly HsDirAnswer[],
  code: FindingCode,
  reason: DiagnosisReason,
  what: string,
): Finding[] {
  if (hsdirs.length === 0) return [];
  return [
    make(code, `${hsdirs.map(({ fingerprint }) => fingerprint.slice(0, 8)).join(', ')} ${what}`, reason),
  ];
}

function differing(served: readonly HsDirAnswer[]): Finding[] {
  const texts = Map.groupBy(served, ({ digest }) => digest);
  if (texts.size <= 1) return [];
  const counters = new Set(served.map(({ revisionCounter }) => revisionCounter));
  const groups = [...texts.values()].map(
    each => `counter ${each[0]?.revisionCounter ?? '?'} at ${each.length}`,
  );
  const reason = counters.size < texts.size ? 'TWO_WRITERS' : 'UPLOAD_UNDER_WAY';
  return [make('HSDIRS_DIFFER', `HSDirs serve ${texts.size} texts: ${groups.join(', ')}`, reason)];
}

function incompleteRemarks({ hsdirs, candidates }: NetworkView): Remark[] {
  if (hsdirs.length === candidates) return [];
  const message = `tor knows ${hsdirs.length} of ${candidates} HSDirs yet: the responsible ones may be others`;
  return [{ code: 'RING_INCOMPLETE', message }];
}

function shuffled(items: string[], rng: Rng): string[] {
  const left = [...items];
  return items.flatMap(() => left.splice(rng(left.length), 1));
}
