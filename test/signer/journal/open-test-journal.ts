import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createJournal,
  openJournal,
  type Journal,
  type JournalOptions,
} from '../../../src/signer/journal/journal.ts';
import type { ReserveRequest } from '../../../src/signer/journal/reservations.ts';

export const NOW = 1_750_000_000;
export const KEY = new Uint8Array(32).fill(1);
export const OTHER_KEY = new Uint8Array(32).fill(2);

/** A journal in a folder of its own, with a clock that tests move. */
export class TestJournal {
  readonly directory = mkdtempSync(join(tmpdir(), 'journal-'));
  readonly path = join(this.directory, 'journal.sqlite');
  readonly journalId: string;
  now = NOW;
  #open: Journal | undefined;

  constructor() {
    this.journalId = createJournal(this.path, { origin: 'signer.example/test', now: NOW });
  }

  get journal(): Journal {
    this.#open ??= this.openAgain();
    return this.#open;
  }

  /** Opens the file once more, beside what is open. */
  openAgain(options: Partial<JournalOptions> = {}): Journal {
    return openJournal({ path: this.path, now: () => this.now, ...options });
  }

  reopen(options: Partial<JournalOptions> = {}): Journal {
    this.close();
    this.#open = this.openAgain(options);
    return this.#open;
  }

  close(): void {
    this.#open?.close();
    this.#open = undefined;
  }

  remove(): void {
    this.close();
    rmSync(this.directory, { recursive: true });
  }
}

let serial = 0;

/** A request with an id of its own for one second. */
export function request(change: Partial<ReserveRequest> & { second?: number } = {}): ReserveRequest {
  serial += 1;
  const { second = NOW + serial, ...rest } = change;
  return {
    publisher: 'vps1',
    service: 'frontpage',
    requestId: `request-${String(serial).padStart(8, '0')}`,
    requestDigest: serial.toString(16).padStart(64, '0'),
    seconds: [{ kpHsBlindId: KEY, variant: 0, second }],
    ...rest,
  };
}

export const text = (content: string): Uint8Array => new TextEncoder().encode(content);
