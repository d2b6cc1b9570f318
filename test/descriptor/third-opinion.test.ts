import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parseIndex } from '../corpus-maker/corpus-index.ts';
import type { NobleJudgement } from '../corpus-maker/judge-with-noble.ts';

const TEST = path.dirname(import.meta.dirname);
const MAKER = path.join(TEST, 'corpus-maker');

const { files } = parseIndex(readFileSync(path.join(TEST, 'corpus', 'index.json'), 'utf8'));

/** Formats with an address, whose checksum one implementation computes, and evidence, which is dated besides. */
const FIRST_ONLY = ['address', 'client-private-file', 'evidence', 'hostname', 'ob-config'];

/** Some thousand verifications with @noble: seconds on an idle machine. */
const LIMIT_MS = 600_000;

test('@noble alone gives the verdict of OpenSSL on every file, where node:crypto is forbidden', {
  timeout: LIMIT_MS,
}, async () => {
  const args = ['--import', path.join(MAKER, 'forbid-crypto.ts'), path.join(MAKER, 'judge-with-noble.ts')];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 24 });
  const { verdicts, forbiddenCalls, firstReaders } = JSON.parse(stdout) as NobleJudgement;

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
