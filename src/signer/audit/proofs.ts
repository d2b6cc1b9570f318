import {
  consistencyProof,
  equalRoots,
  inclusionProof,
  leafHash,
  type LogHash,
  rootOf,
} from '../contract/log-proof.ts';
import { SignerError } from '../contract/problems.ts';
import { type Checkpoint, parseCheckpoint, parseSignedNote } from '../contract/signed-note.ts';
import type { AuditSource } from './source.ts';

/** Proofs as text, in published formats: an outsider needs no other part of the journal, and no program of ours. */

/** One entry and the proof that a signed head covers it. */
export interface EntryProof {
  /** Canonical bytes, as text. */
  readonly entry: string;
  /** c2sp.org/tlog-proof. */
  readonly proof: string;
}

/** SignerError LOG_PROOF for an index that no checkpoint covers; CHECKPOINT_FORK when the journal is not the one signed. */
export async function proveEntry(source: AuditSource, index: number): Promise<EntryProof> {
  const note = source.checkpoints.at(-1);
  const head = note === undefined ? undefined : parseCheckpoint(parseSignedNote(note).text);
  if (note === undefined || head === undefined || index >= head.size)
    throw new SignerError('LOG_PROOF', 'name an entry that a checkpoint covers');
  const leaves: LogHash[] = [];
  let entry = '';
  for await (const bytes of source.entries(0)) {
    if (leaves.length === index) entry = Buffer.from(bytes).toString('utf8');
    leaves.push(leafHash(bytes));
    if (leaves.length === head.size) break;
  }
  checkRoot(leaves, head);
  const hashes = inclusionProof(index, leaves).map(toLine);
  return { entry, proof: `c2sp.org/tlog-proof@v1\nindex ${index}\n${hashes.join('')}\n${note}` };
}

/**
 * That the tree of `from` entries is a prefix of that of `to`, as witnesses take it (c2sp.org/tlog-witness): the older
 * size, the hashes, and the checkpoint of `to` where one is kept. SignerError LOG_PROOF, CHECKPOINT_FORK.
 */
export async function proveConsistency(source: AuditSource, from: number, to: number): Promise<string> {
  const leaves: LogHash[] = [];
  for await (const bytes of source.entries(0)) {
    if (leaves.length === to) break;
    leaves.push(leafHash(bytes));
  }
  if (leaves.length !== to) throw new SignerError('LOG_PROOF', 'name sizes that the log has reached');
  const hashes = consistencyProof(from, leaves).map(toLine);
  const note = source.checkpoints.find(each => parseCheckpoint(parseSignedNote(each).text).size === to);
  if (note !== undefined) checkRoot(leaves, parseCheckpoint(parseSignedNote(note).text));
  return `old ${from}\n${hashes.join('')}\n${note ?? ''}`;
}

function checkRoot(leaves: readonly LogHash[], head: Checkpoint): void {
  if (leaves.length === head.size && equalRoots(rootOf(leaves), head.rootHash)) return;
  throw new SignerError(
    'CHECKPOINT_FORK',
    'the journal is not the one of its checkpoint: run `audit verify`',
  );
}

const toLine = (hash: LogHash): string => `${Buffer.from(hash).toString('base64')}\n`;
