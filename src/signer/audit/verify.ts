import { equalBytes, toHex } from '../../descriptor/index.ts';
import { LogFrontier, leafHash, type LogHash } from '../contract/log-proof.ts';
import {
  type Checkpoint,
  type NoteVerifier,
  openCheckpoint,
  parseCheckpoint,
  parseSignedNote,
} from '../contract/signed-note.ts';
import { type Entry, parseEntry, type PolicyEntry } from '../journal/entries.ts';
import { ServiceNames } from '../policy/service-names.ts';
import { parsePolicySnapshot } from '../policy/snapshot.ts';
import { EMPTY_POLICY, type Policy } from '../policy/types.ts';
import { checkApproval } from './check-approval.ts';
import { ReleaseCheck, type TextCounts } from './check-release.ts';
import { AuditFold, type OpenReservation } from './fold.ts';
import type { AuditSource } from './source.ts';

/** What an auditor brings: nothing of it came from the journal. */
export interface Expectation {
  /** 62 characters; this service's identity must vouch for the key that signs now. */
  readonly address?: string | undefined;
  readonly outside?: readonly OutsideNote[] | undefined;
}

/** A signed note that was kept elsewhere, such as one in an answer to a publisher. */
export interface OutsideNote {
  /** What findings call it: its file. */
  readonly name: string;
  readonly note: string;
}

/** Something that contradicts the log, and where. Public data of the log only, printable. */
export interface Finding {
  /** Entry, or size of a checkpoint; undefined when it concerns the whole. */
  readonly index: number | undefined;
  readonly code: string;
  readonly message: string;
}

export interface AuditReport {
  readonly entries: number;
  /** Entries after the newest checkpoint. */
  readonly unsigned: number;
  readonly origin: string;
  readonly formerOrigins: readonly string[];
  /** Of the log's own, those that a vouched key signed. */
  readonly checkpoints: number;
  /** Of these, heads that the entries contradict. */
  readonly contradicted: number;
  /** Of these, heads of a history that a recovery wrote down as lost. */
  readonly lost: number;
  /** Checkpoints that no vouched key signed; a new signer has none before its first opening. */
  readonly unvouched: number;
  readonly vouchings: readonly {
    readonly service: string;
    readonly address: string;
    readonly origin: string;
  }[];
  readonly releases: number;
  readonly texts: TextCounts;
  /** The last use (Unix seconds) of a text that is no longer kept; undefined when all are. */
  readonly goneUntil: number | undefined;
  /** At most 100. */
  readonly findings: readonly Finding[];
}

const MAX_FINDINGS = 100;
const OF_ANOTHER = 'of another log or address? compare with its source';

/**
 * Verifies everything that public keys can: each entry's canonical form, the tree under every checkpoint, the vouching for
 * each key by the address itself, what the entries say together, and each archived text by its address and evidence.
 * Faults are findings. SignerError AUDIT_SOURCE, NOT_READY when the source itself fails.
 */
export async function verifyAudit(source: AuditSource, expected: Expectation = {}): Promise<AuditReport> {
  const audit = new Audit(source);
  await audit.readEntries();
  await audit.judgeRetention();
  const checkpoints = audit.judgeCheckpoints(source.checkpoints.map(note => ({ note })));
  audit.judgeCheckpoints(expected.outside ?? []);
  audit.judgeKeys(expected.address);
  return audit.report(checkpoints);
}

/** A checkpoint of the log itself, or one from outside with its name. */
type HeldNote = Partial<OutsideNote> & Pick<OutsideNote, 'note'>;

interface JudgedCheckpoints {
  readonly verified: number;
  readonly contradicted: number;
  /** The largest size. */
  readonly newest: number;
}

class Audit {
  readonly #source: AuditSource;
  readonly #fold = new AuditFold();
  readonly #releases: ReleaseCheck;
  readonly #frontier = new LogFrontier();
  /** Root after each entry: heads may be of any size. */
  readonly #roots: LogHash[] = [];
  readonly #findings: Finding[] = [];
  /** Address and origin of what was released. */
  readonly #served = new Set<string>();
  /** In force after the entries so far; undefined when its text is not kept. */
  #policyInForce: Policy | undefined = EMPTY_POLICY;
  readonly #names = new ServiceNames();
  #released = 0;
  #lost = 0;

  constructor(source: AuditSource) {
    this.#source = source;
    this.#releases = new ReleaseCheck(source);
  }

  async readEntries(): Promise<void> {
    let index = 0;
    for await (const bytes of this.#source.entries(0)) {
      this.#frontier.append(leafHash(bytes));
      this.#roots.push(this.#frontier.root());
      await this.#judge(index, async () => this.#takeEntry(index, parseEntry(bytes)));
      index += 1;
    }
  }

  /** Retention takes the oldest texts first: who takes others has something to hide. */
  async judgeRetention(): Promise<void> {
    const gap = await this.#releases.texts.gap();
    if (gap === undefined) return;
    const message = `${gap.count} texts are gone although older ones are kept`;
    this.#find(gap.index, 'AUDIT_TEXT', message);
  }

  async #takeEntry(index: number, entry: Entry): Promise<void> {
    const reserved = await this.#fold.take(index, entry, digest => this.#policy(digest));
    if (entry.kind === 'policy') await this.#takePolicy(entry);
    if (entry.kind !== 'released' || reserved === undefined) return;
    this.#released += 1;
    this.#noteServed(reserved);
    await this.#releases.check(index, entry, reserved);
  }

  /** Those who were administrators before must have signed it. */
  async #takePolicy(entry: PolicyEntry): Promise<void> {
    const [before, after] = [this.#policyInForce, await this.#policy(entry.digest)];
    this.#policyInForce = after;
    const { origin, journalId } = this.#fold;
    const names = this.#names;
    await checkApproval(this.#source, entry, { before, after, names, origin, journalId }).finally(() => {
      if (after !== undefined) names.take(after);
    });
  }

  #noteServed({ services: [service], origin }: OpenReservation): void {
    if (service !== undefined) this.#served.add(`${service.address} ${origin}`);
  }

  async #policy(digest: string): Promise<Policy | undefined> {
    const text = await this.#source.text(digest);
    return text && parsePolicySnapshot(text);
  }

  /** How many of the notes a vouched key signed. Those from outside must be signed by one. */
  judgeCheckpoints(notes: readonly HeldNote[]): JudgedCheckpoints {
    let [verified, contradicted, newest] = [0, 0, 0];
    for (const held of notes) {
      const opened = this.#open(held);
      if (opened === undefined) continue;
      verified += 1;
      newest = Math.max(newest, opened.size);
      if (!this.#compare(opened, held.name ?? 'a checkpoint')) contradicted += 1;
    }
    return { verified, contradicted, newest };
  }

  #open({ name, note }: HeldNote): Checkpoint | undefined {
    try {
      const { origin } = parseCheckpoint(parseSignedNote(note).text);
      const key = this.#keyOf(origin);
      if (key !== undefined) return openCheckpoint(note, key);
      if (name !== undefined)
        this.#find(undefined, 'NOTE_UNVERIFIED', `${name}: no key of this log signed it: ${OF_ANOTHER}`);
    } catch (error) {
      this.#findError(undefined, error, name);
    }
    return undefined;
  }

  #keyOf(origin: string): NoteVerifier | undefined {
    return this.#fold.vouchings.find(({ key }) => key.name === origin)?.key;
  }

  /** Whether the head is one of these entries, or of a history that was lost. */
  #compare({ size, rootHash }: Checkpoint, what: string): boolean {
    const root = this.#roots[size - 1];
    if (root !== undefined && equalBytes(root, rootHash)) return true;
    if (this.#fold.lost.has(`${size} ${toHex(rootHash)}`)) {
      this.#lost += 1;
      return true;
    }
    if (root === undefined)
      this.#find(size, 'CHECKPOINT_AHEAD', `truncated: ${what} knows of ${size} entries`);
    else this.#find(size, 'CHECKPOINT_FORK', `rewritten: ${what} has another root for these entries`);
    return false;
  }

  /** Each identity that was served under a key must have vouched for it, and so must the one that is asked about. */
  judgeKeys(address: string | undefined): void {
    const vouched = new Set(this.#fold.vouchings.map(each => `${each.address} ${each.key.name}`));
    for (const pair of this.#served) {
      if (!vouched.has(pair)) this.#find(undefined, 'NOTE_UNVERIFIED', `not vouched for: ${pair}`);
    }
    const wanted = address === undefined ? undefined : `${address} ${this.#fold.origin}`;
    if (wanted !== undefined && !vouched.has(wanted) && !this.#served.has(wanted))
      this.#find(undefined, 'NOTE_UNVERIFIED', `not vouched for: ${wanted}: ${OF_ANOTHER}`);
    const keys = new Map<string, NoteVerifier>();
    for (const { index, key } of this.#fold.vouchings) {
      const known = keys.get(key.name) ?? key;
      keys.set(key.name, known);
      if (!equalBytes(known.publicKey, key.publicKey))
        this.#find(index, 'NOTE_UNVERIFIED', 'two keys have one name');
    }
  }

  report({ verified, contradicted, newest }: JudgedCheckpoints): AuditReport {
    return {
      entries: this.#roots.length,
      unsigned: this.#roots.length - Math.min(newest, this.#roots.length),
      origin: this.#fold.origin,
      formerOrigins: this.#fold.formerOrigins,
      checkpoints: verified,
      contradicted,
      lost: this.#lost,
      unvouched: this.#source.checkpoints.length - verified,
      vouchings: this.#fold.vouchings.map(({ service, address, key }) => ({
        service,
        address,
        origin: key.name,
      })),
      releases: this.#released,
      texts: this.#releases.counts,
      goneUntil: this.#releases.texts.goneUntil,
      findings: this.#findings,
    };
  }

  /** What an entry is accused of stands in the findings; a source that fails ends the audit. */
  async #judge(index: number, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#findError(index, error);
    }
  }

  #findError(index: number | undefined, error: unknown, name?: string): void {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!(error instanceof Error) || code === '' || code === 'AUDIT_SOURCE' || code === 'NOT_READY')
      throw error;
    this.#find(index, code, name === undefined ? error.message : `${name}: ${error.message}`);
  }

  #find(index: number | undefined, code: string, message: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ index, code, message });
  }
}

/** 0 for a log that holds, 1 when a part of it cannot be told yet, 2 when something contradicts it. */
export function auditExitCode({ findings, unvouched, checkpoints }: AuditReport): 0 | 1 | 2 {
  if (findings.length > 0) return 2;
  return unvouched > 0 || checkpoints === 0 ? 1 : 0;
}
