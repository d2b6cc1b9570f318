import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseIndex } from '../corpus-maker/corpus-index.ts';
import type { NobleJudgement } from '../corpus-maker/judge-with-noble.ts';

const TEST = path.dirname(import.meta.dirname);
const MAKER = path.join(TEST, 'corpus-maker');

const { files } = parseIndex(readFileSync(path.join(TEST, 'corpus', 'index.json'), 'utf8'));

/** Formats that are read with hashes or ciphers that only the first implementation has at their place. */
const FIRST_ONLY = ['address', 'evidence', 'hostname'];

test('@noble alone gives the verdict of OpenSSL on every file, where node:crypto is forbidden', () => {
  const args = ['--import', path.join(MAKER, 'forbid-crypto.ts'), path.join(MAKER, 'judge-with-noble.ts')];
  const printed = execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 24 });
  const { verdicts, forbiddenCalls, firstReaders } = JSON.parse(printed) as NobleJudgement;

  const judged = files.filter(({ format }) => !FIRST_ONLY.includes(format));
  expect(Object.keys(verdicts).sort()).toEqual(judged.map(({ file }) => file).sort());
  expect(judged.length).toBeGreaterThan(800);
  const different = judged.flatMap(({ file, format, control, shows, section, ...verdict }) =>
    JSON.stringify(verdicts[file]) === JSON.stringify(verdict)
      ? []
      : [{ file, format, control, shows, section, verdict, noble: verdicts[file] }],
  );
  expect(different).toEqual([]);

  // The prohibition bites: nothing of it was touched above, and the first implementation cannot work with it.
  expect(forbiddenCalls).toEqual([]);
  expect(firstReaders).toMatchObject({
    descriptor: 'node:crypto is forbidden here',
    evidence: 'node:crypto is forbidden here',
    signature: 'refused',
    'certificate-08': 'refused',
    hex: 'taken',
  });
});
