import { SignerError } from '../contract/problems.ts';

/** A journal to be audited, wherever it is: the daemon's, the file of one that is stopped, or an exported folder. */
export interface AuditSource {
  /** Entries that there are. */
  readonly size: number;
  /** Signed notes, smallest first; the last is the newest. */
  readonly checkpoints: readonly string[];
  /** Canonical bytes of the entries from index `from` on, in order. Nothing in them is believed yet. */
  entries(from: number): AsyncIterable<Uint8Array>;
  /** An archived text by its SHA-256 (64 hex digits), its digest checked; undefined when retention took it. */
  text(digest: string): Promise<Uint8Array | undefined>;
  close(): void;
}

/** What a source says of itself at once. */
export type AuditHead = Pick<AuditSource, 'size' | 'checkpoints'>;

/** Entries in one bundle: tlog-tiles' width. */
export const BUNDLE_ENTRIES = 256;
const MAX_ENTRY_BYTES = 0xffff;

/** Entries as one bundle of c2sp.org/tlog-tiles: each behind its length, u16 big-endian. SignerError JOURNAL_ENTRY. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    entries.flatMap(entry => {
      if (entry.length > MAX_ENTRY_BYTES)
        throw new SignerError('JOURNAL_ENTRY', 'an entry is too long for a bundle; report this');
      const length = new Uint8Array(2);
      new DataView(length.buffer).setUint16(0, entry.length);
      return [length, entry];
    }),
  );
}

/** Reads a bundle of at most 256 entries. SignerError AUDIT_SOURCE. */
export function parseBundle(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 <= bytes.length ? at + 2 + view.getUint16(at) : Infinity;
    if (end > bytes.length || entries.length === BUNDLE_ENTRIES) throw damaged();
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

export const damaged = (cause?: unknown): SignerError =>
  new SignerError('AUDIT_SOURCE', 'get the journal or bundle once more: a part is missing or damaged', {
    cause,
  });
