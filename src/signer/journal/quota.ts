import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { SignerError } from '../contract/problems.ts';
import type { JournalArchive } from './archive.ts';
import { usedBytes } from './store.ts';

const DEFAULT_QUOTA_BYTES = 8 * 2 ** 30;

export interface QuotaOptions {
  /** Bytes of the whole journal; reservations are refused above, what ends one is still written. */
  readonly quotaBytes?: number;
  /** Free bytes of its disk below which the same holds; 0 when not given. */
  readonly floorBytes?: number;
  /** How many publishers share it: each may take an equal part, so that none can fill it for the others. */
  readonly publishers?: number;
}

/** How large the journal is and may become. */
export interface JournalSize {
  readonly bytes: number;
  readonly quotaBytes: number;
}

/** The limits of the journal's size. */
export class JournalQuota {
  readonly #db: DatabaseSync;
  readonly #archive: JournalArchive;
  readonly #folder: string;
  readonly #quota: number;
  readonly #floor: number;
  readonly #share: number;

  constructor(db: DatabaseSync, archive: JournalArchive, options: QuotaOptions & { readonly path: string }) {
    this.#db = db;
    this.#archive = archive;
    this.#folder = dirname(options.path);
    this.#quota = options.quotaBytes ?? DEFAULT_QUOTA_BYTES;
    this.#floor = options.floorBytes ?? 0;
    this.#share = Math.floor(this.#quota / Math.max(1, options.publishers ?? 1));
  }

  get size(): JournalSize {
    return { bytes: usedBytes(this.#db), quotaBytes: this.#quota };
  }

  /** Whether nothing that could wait is written any more. */
  get isFull(): boolean {
    return usedBytes(this.#db) > this.#quota || this.#isBelowFloor();
  }

  /** SignerError JOURNAL_FULL when the journal, its disk, or what this publisher caused in it, is past its limit. */
  check(publisher: string): void {
    if (this.#isBelowFloor()) {
      throw new SignerError('JOURNAL_FULL', 'make room on the disk of the state directory: see `disk_floor`');
    }
    if (this.isFull) throw new SignerError('JOURNAL_FULL', 'raise `journal_quota` or shorten `keep`');
    if (this.#archive.usedBy(publisher) > this.#share) {
      throw new SignerError(
        'JOURNAL_FULL',
        'one publisher has used its share: raise `journal_quota`, shorten `keep` or lower its limits',
      );
    }
  }

  #isBelowFloor(): boolean {
    if (this.#floor === 0) return false;
    const { bavail, bsize } = statfsSync(this.#folder);
    return bavail * bsize < this.#floor;
  }
}
