// Judges the corpus with @noble alone, in a process where node:crypto is forbidden; prints the verdicts as JSON.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseIndex } from './corpus-index.ts';
import { type CorpusVerdict, FIRST, SECOND, verdictOf } from './corpus-readers.ts';
import { forbiddenCalls } from './forbid-crypto.ts';

/** What this program prints. */
export interface NobleJudgement {
  readonly verdicts: Readonly<Record<string, CorpusVerdict>>;
  /** Functions of node:crypto that were called while @noble judged. */
  readonly forbiddenCalls: readonly string[];
  /** What OpenSSL's reading of the first taken file comes to, for each format that needs it. */
  readonly firstReaders: Readonly<Record<string, string>>;
}

const folder = path.join(path.dirname(import.meta.dirname), 'corpus');
const { keys, files } = parseIndex(readFileSync(path.join(folder, 'index.json'), 'utf8'));
const bytesOf = (file: string): Uint8Array => new Uint8Array(readFileSync(path.join(folder, file)));

const verdicts: Record<string, CorpusVerdict> = {};
for (const { file, format } of files) {
  const reader = SECOND[format];
  if (reader !== undefined) verdicts[file] = verdictOf(reader, bytesOf(file), keys);
}
const callsWhileJudging = forbiddenCalls.splice(0);

const firstReaders: Record<string, string> = {};
for (const { file, format, verdict } of files) {
  if (verdict !== 'taken' || format in firstReaders) continue;
  try {
    firstReaders[format] = verdictOf(FIRST[format], bytesOf(file), keys).verdict;
  } catch (error) {
    firstReaders[format] = error instanceof Error ? error.message : String(error);
  }
}
const judgement: NobleJudgement = { verdicts, forbiddenCalls: callsWhileJudging, firstReaders };
process.stdout.write(JSON.stringify(judgement));
