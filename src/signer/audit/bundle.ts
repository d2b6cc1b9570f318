import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { leafHash, type LogHash } from '../contract/log-proof.ts';
import { SignerError } from '../contract/problems.ts';
import { parseCheckpoint, parseSignedNote } from '../contract/signed-note.ts';
import { sha256Hex } from '../journal/archive.ts';
import { parseEntry } from '../journal/entries.ts';
import { writeNew } from '../program/durable-file.ts';
import { readFileBytes } from '../program/read-file.ts';
import { type AuditSource, BUNDLE_ENTRIES, damaged, parseBundle } from './source.ts';
import { TileWriter, tilePath } from './tiles.ts';

/** The journal as a folder that anybody can check: docs/formats/journal.md. */

const MAX_BUNDLE_BYTES = BUNDLE_ENTRIES * (2 + 0xffff);
const MAX_TEXT_BYTES = 16 * 2 ** 20;
const MAX_NOTE_BYTES = 16_384;

/**
 * Writes what the newest checkpoint covers below a new `folder`, readable for its owner alone: it names backends. Gives
 * the number of entries. SignerError BAD_VALUE when the folder exists or the one above it does not, LOG_PROOF without a checkpoint.
 */
export async function exportBundle(source: AuditSource, folder: string): Promise<number> {
  const newest = source.checkpoints.at(-1);
  if (newest === undefined)
    throw new SignerError('LOG_PROOF', 'no head is signed yet: start the signer once');
  if (existsSync(folder)) throw new SignerError('BAD_VALUE', `${folder}: name a folder that does not exist`);
  const above = dirname(resolve(folder));
  if (statSync(above, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new SignerError('BAD_VALUE', `${folder}: name a new folder in one that exists`);
  const put = (path: string, bytes: Uint8Array): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true, mode: 0o700 });
    writeNew(join(folder, path), bytes);
  };
  for (const note of source.checkpoints) put(`checkpoints/${sizeOf(note)}`, Buffer.from(note));
  const size = sizeOf(newest);
  await exportEntries(source, size, put);
  // Last: a folder without it is not whole.
  put('checkpoint', Buffer.from(newest));
  return size;
}

async function exportEntries(
  source: AuditSource,
  size: number,
  put: (path: string, bytes: Uint8Array) => void,
): Promise<void> {
  const tiles = new TileWriter();
  let [bundle, leaves]: [Uint8Array[], LogHash[]] = [[], []];
  const seen = new Set<string>();
  let index = 0;
  const flush = (): void => {
    if (bundle.length > 0) for (const { path, bytes } of tiles.add(bundle, leaves)) put(path, bytes);
    [bundle, leaves] = [[], []];
  };
  for await (const bytes of source.entries(0)) {
    if (index === size) break;
    bundle.push(bytes);
    leaves.push(leafHash(bytes));
    index += 1;
    if (bundle.length === BUNDLE_ENTRIES) flush();
    for (const digest of textsOf(bytes)) {
      const text = seen.has(digest) ? undefined : await source.text(digest);
      seen.add(digest);
      if (text !== undefined) put(`texts/${digest}`, text);
    }
  }
  flush();
  for (const { path, bytes } of tiles.end()) put(path, bytes);
}

/** Digests that an entry names. */
function textsOf(bytes: Uint8Array): readonly string[] {
  const entry = parseEntry(bytes);
  if (entry.kind === 'policy') {
    const signed = entry.proposal === null ? [] : [entry.proposal];
    return [entry.digest, ...signed, ...entry.signatures.map(({ digest }) => digest)];
  }
  return entry.kind === 'released' ? [...entry.texts, ...entry.evidence] : [];
}

const sizeOf = (note: string): number => parseCheckpoint(parseSignedNote(note).text).size;

/** An exported folder. SignerError AUDIT_SOURCE when parts are missing; nothing in it is believed yet. */
export function openBundle(folder: string): AuditSource {
  const read = (path: string, maximum: number): Uint8Array => readFileBytes(join(folder, path), maximum);
  const newest = Buffer.from(read('checkpoint', MAX_NOTE_BYTES)).toString('utf8');
  const size = sizeOf(newest);
  const kept = readdirSync(join(folder, 'checkpoints'))
    .filter(name => /^[1-9][0-9]{0,15}$/.test(name))
    .toSorted((a, b) => Number(a) - Number(b))
    .map(name => Buffer.from(read(`checkpoints/${name}`, MAX_NOTE_BYTES)).toString('utf8'));
  return {
    size,
    checkpoints: kept.includes(newest) ? kept : [...kept, newest],
    // oxlint-disable-next-line typescript/require-await -- other sources wait
    async *entries(from) {
      for (let index = Math.floor(from / BUNDLE_ENTRIES); index * BUNDLE_ENTRIES < size; index += 1) {
        const width = Math.min(BUNDLE_ENTRIES, size - index * BUNDLE_ENTRIES);
        const entries = parseBundle(read(tilePath('entries', index, width), MAX_BUNDLE_BYTES));
        if (entries.length !== width) throw damaged();
        yield* entries.slice(Math.max(0, from - index * BUNDLE_ENTRIES));
      }
    },
    text: async digest => {
      const path = `texts/${digest}`;
      if (!existsSync(join(folder, path))) return undefined;
      const text = read(path, MAX_TEXT_BYTES);
      if (sha256Hex(text) !== digest) throw new SignerError('JOURNAL_TORN', 'an archived text was changed');
      return text;
    },
    close: () => undefined,
  };
}
