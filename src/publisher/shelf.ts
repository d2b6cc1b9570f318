import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { NAME_PATTERN } from '../signer/contract/name.ts';
import { compileValidator, SignedDescriptorSchema } from '../signer/contract/requests.ts';
import { openFolder, readSmallFile, replaceFile } from './durable-file.ts';
import { PublisherError } from './error.ts';

/** A signed text on the shelf: what the signer answered, when, under which settings, and the digest of its set of points. */
export const ShelfEntrySchema = Type.Object(
  {
    descriptor: SignedDescriptorSchema,
    points: Type.String({ maxLength: 64 }),
    settings: Type.Integer({ minimum: 0 }),
    signedAt: Type.Number({ minimum: 0 }),
  },
  { additionalProperties: false },
);

export type ShelfEntry = Static<typeof ShelfEntrySchema>;

const checkFile = compileValidator(
  Type.Object(
    { version: Type.Literal(2), entries: Type.Array(ShelfEntrySchema, { maxItems: 1024 }) },
    { additionalProperties: false },
  ),
);

const MAX_FILE_BYTES = 64 * 1024 * 1024;

/**
 * The finished texts of the next hours, on disk: one file per service, replaced whole and flushed before the texts
 * are used. What is on the shelf is true but public in time: a thief can only publish it.
 */
export class Shelf {
  readonly #folder: string;
  readonly #readOnly: boolean;
  readonly #entries = new Map<string, readonly ShelfEntry[]>();

  private constructor(folder: string, readOnly: boolean) {
    this.#folder = folder;
    this.#readOnly = readOnly;
  }

  /**
   * Opens the shelf below the state folder and reads every service. With `readOnly` changes stay in memory.
   * Throws STATE_DIRECTORY, STATE_CORRUPT.
   */
  static open(stateFolder: string, { readOnly = false }: { readonly readOnly?: boolean } = {}): Shelf {
    const folder = join(stateFolder, 'shelf');
    openFolder(folder);
    const shelf = new Shelf(folder, readOnly);
    const name = new RegExp(NAME_PATTERN, 'u');
    for (const file of readdirSync(folder)) {
      const service = file.endsWith('.json') ? file.slice(0, -5) : '';
      if (name.test(service)) shelf.#entries.set(service, readEntries(join(folder, file)));
    }
    return shelf;
  }

  /** Every text of a service, by period, variant and `useFrom`. */
  entries(service: string): readonly ShelfEntry[] {
    return this.#entries.get(service) ?? [];
  }

  /**
   * Puts a verified answer on the shelf and returns when it is on disk. Texts with other points are taken away, and
   * those that the answer has overtaken; texts still in use (`keep`) stay.
   */
  put(service: string, fresh: readonly ShelfEntry[], keep: (entry: ShelfEntry) => boolean): void {
    const last = new Map<string, number>();
    for (const { descriptor } of fresh) {
      const key = placeOf(descriptor);
      last.set(key, Math.max(last.get(key) ?? 0, descriptor.useFrom));
    }
    const points = new Set(fresh.map(entry => entry.points));
    const kept = this.entries(service).filter(entry => {
      if (keep(entry)) return true;
      const overtakenUntil = last.get(placeOf(entry.descriptor)) ?? -1;
      return points.has(entry.points) && entry.descriptor.useFrom > overtakenUntil;
    });
    this.#replace(service, [...kept, ...fresh]);
  }

  /** Takes away what `keep` refuses; writes only when that is something. */
  prune(service: string, keep: (entry: ShelfEntry) => boolean): void {
    const kept = this.entries(service).filter(keep);
    if (kept.length < this.entries(service).length) this.#replace(service, kept);
  }

  /** Takes the whole service away. */
  drop(service: string): void {
    this.#entries.delete(service);
    if (!this.#readOnly) rmSync(this.#path(service), { force: true });
  }

  #replace(service: string, entries: readonly ShelfEntry[]): void {
    const sorted = [...entries].sort(compareEntries);
    const path = this.#path(service);
    if (!this.#readOnly) replaceFile(path, `${JSON.stringify({ version: 2, entries: sorted })}\n`);
    this.#entries.set(service, sorted);
  }

  #path(service: string): string {
    if (!new RegExp(NAME_PATTERN, 'u').test(service))
      throw new PublisherError('STATE_CORRUPT', 'service name');
    return join(this.#folder, `${service}.json`);
  }
}

function readEntries(path: string): readonly ShelfEntry[] {
  const text = readSmallFile(path, MAX_FILE_BYTES) ?? '{"version":2,"entries":[]}';
  try {
    return checkFile(JSON.parse(text)).entries.sort(compareEntries);
  } catch (cause) {
    throw new PublisherError('STATE_CORRUPT', path, { cause });
  }
}

function placeOf({ period, variant }: ShelfEntry['descriptor']): string {
  return `${period.periodNum}/${variant}`;
}

function compareEntries(a: ShelfEntry, b: ShelfEntry): number {
  const [left, right] = [a.descriptor, b.descriptor];
  if (left.period.periodNum !== right.period.periodNum) return left.period.periodNum - right.period.periodNum;
  return left.variant - right.variant || left.useFrom - right.useFrom;
}
