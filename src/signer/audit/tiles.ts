import { type LogHash, rootOf } from '../contract/log-proof.ts';
import { BUNDLE_ENTRIES, encodeBundle } from './source.ts';

/** The files of a log in the layout of c2sp.org/tlog-tiles: hash tiles and entry bundles. */

/** One file: its path below the folder, with slashes, and its bytes. */
export interface TileFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Path of tile `index`, `width` hashes wide, at a level or of `entries`. */
export function tilePath(level: number | 'entries', index: number, width: number): string {
  const parts =
    String(index)
      .padStart(Math.ceil(Math.max(1, String(index).length) / 3) * 3, '0')
      .match(/.{3}/g) ?? [];
  const [last = '000', ...before] = parts.toReversed();
  const folders = before.toReversed().map(part => `x${part}/`);
  const partial = width < BUNDLE_ENTRIES ? `.p/${width}` : '';
  return `tile/${level}/${folders.join('')}${last}${partial}`;
}

/** Makes the files of a growing log: one bundle at a time, in order. */
export class TileWriter {
  /** Hashes of each level that wait for their tile to be full, and how many tiles are. */
  readonly #levels: { hashes: LogHash[]; full: number }[] = [];

  /** Takes up to 256 entries with their leaf hashes; fewer only at the end. Gives the files that are complete. */
  *add(entries: readonly Uint8Array[], leaves: readonly LogHash[]): Generator<TileFile> {
    const index = this.#levels[0]?.full ?? 0;
    yield { path: tilePath('entries', index, entries.length), bytes: encodeBundle(entries) };
    for (const leaf of leaves) yield* this.#push(0, leaf);
  }

  /** The partial tiles of the right edge. */
  *end(): Generator<TileFile> {
    for (const [level, { hashes, full }] of this.#levels.entries()) {
      if (hashes.length > 0) yield tileOf(level, full, hashes);
    }
  }

  *#push(level: number, hash: LogHash): Generator<TileFile> {
    const own = (this.#levels[level] ??= { hashes: [], full: 0 });
    own.hashes.push(hash);
    if (own.hashes.length < BUNDLE_ENTRIES) return;
    yield tileOf(level, own.full, own.hashes);
    own.full += 1;
    yield* this.#push(level + 1, rootOf(own.hashes.splice(0)));
  }
}

const tileOf = (level: number, index: number, hashes: readonly LogHash[]): TileFile => ({
  path: tilePath(level, index, hashes.length),
  bytes: Buffer.concat(hashes),
});
